"""A parent of a thousand jobs, which waits for them without a slot: each time it runs it looks, and asks to run later.

insert into asyncjob.job (job_name, params) values ('Campaign', '{"letters": 1000}');
"""

from datetime import timedelta
from typing import Annotated

import msgspec

from asyncjobd import Context, JobBuilder, JobHandler, JobResult, Status


class CampaignParams(msgspec.Struct):
    letters: Annotated[int, msgspec.Meta(ge=1, le=5_000)]  # more are better inserted by SQL


class LetterParams(msgspec.Struct):
    number: int


class Campaign(JobHandler[CampaignParams]):
    async def execute(self) -> JobResult:
        letters = self.params.letters
        counts = await self.client.count_children(self.job.id)
        if not counts:  # its first run; all are inserted or none, so that a run that is cut off does no harm
            jobs = [JobBuilder("Letter").set_params({"number": number}).build() for number in range(letters)]
            await self.client.insert_many(jobs)
        failed = counts.get(Status.FAILED, 0)
        done = counts.get(Status.COMPLETED, 0) + failed
        await self.progress(done / letters, f"{done} of {letters} letters")
        if done < letters:
            return JobResult.retry_later(f"{done} of {letters} letters", after=timedelta(seconds=1))
        return JobResult.success(f"{done} letters, {failed} failed", {"letters": done, "failed": failed})


async def write_letter(params: LetterParams, context: Context) -> JobResult:
    return JobResult.success(f"letter {params.number}")
