"""A handler with options."""

import msgspec

from asyncjobd import JobHandler, JobResult


class GreetingOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    greeting: str
    times: int = 1


class Greets(JobHandler[dict[str, str]]):
    Options = GreetingOptions

    async def execute(self) -> JobResult:
        return JobResult.success(" ".join([self.options.greeting] * self.options.times + [self.params["to"]]))
