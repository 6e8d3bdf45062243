"""A recursive job that looks into a folder again and again, and makes a job of each file that it finds there.

    insert into asyncjob.job (job_name, is_recursive, retry_interval, unique_key)
         values ('InboxPoller', true, interval '1 minute', 'inbox');

A file with the name `end` ends the repetition.
"""

import asyncio
from pathlib import Path

import msgspec

from asyncjobd import JobBuilder, JobHandler, JobResult


class InboxOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    folder: str


class FileParams(msgspec.Struct):
    name: str


class InboxPoller(JobHandler[dict[str, object]]):
    Options = InboxOptions

    async def execute(self) -> JobResult:
        names = await asyncio.to_thread(lambda: [each.name for each in Path(self.options.folder).iterdir()])
        jobs = [
            JobBuilder("InboxFile").set_params({"name": name}).set_unique_key(f"inbox: {name}").build()
            for name in names if name != "end"
        ]  # fmt: skip
        ids = await self.client.insert_many(jobs)  # None for a file whose job has not ended yet
        message = f"{len([each for each in ids if each is not None])} new files"
        return JobResult.completed(message) if "end" in names else JobResult.success(message)


class InboxFile(JobHandler[FileParams]):
    Options = InboxOptions

    async def execute(self) -> JobResult:
        name = self.params.name
        if Path(name).name != name:  # any client can write a row: it must not lead out of the folder
            return JobResult.fatal_error(f"{name!r} is not a file of the inbox")
        return await asyncio.to_thread(self._take, Path(self.options.folder, name))

    def _take(self, file: Path) -> JobResult:
        size = len(file.read_bytes())  # do something with it
        file.unlink()
        return JobResult.success(f"{size} bytes")
