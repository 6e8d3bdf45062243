"""Hooks, good and bad, and handlers for them to wrap."""

import asyncio
import time
from contextlib import suppress
from typing import Any

import msgspec

from asyncjobd import Context, Hook, JobHandler, JobResult, Outcome, Proceed


async def outer(context: Context, proceed: Proceed) -> JobResult:
    context.log.info("outer.before", params=context.job.params)
    try:
        result = await proceed()
    except BaseException as error:
        context.log.info(
            "outer.raised", error=f"{type(error).__name__}: {error}", stop_reason=context.stop_reason
        )
        raise
    context.log.info(
        "outer.after", outcome=result.outcome, message=result.message, stop_reason=context.stop_reason
    )
    return result


class Inner(Hook):
    async def before_execute(self, context: Context) -> None:
        context.log.info("inner.before")

    async def after_execute(self, context: Context, result: JobResult) -> JobResult | None:
        context.log.info("inner.after", outcome=result.outcome)
        return JobResult.success("changed") if result.message == "to be changed" else None

    async def on_failed(self, context: Context, reason: JobResult | BaseException) -> None:
        context.log.info(
            "inner.failed", reason=f"{type(reason).__name__}: {getattr(reason, 'message', reason)}"
        )


async def fails_before(context: Context, proceed: Proceed) -> JobResult:
    raise ConnectionError("no way")


async def hangs_before(context: Context, proceed: Proceed) -> JobResult:
    await asyncio.sleep(3600)
    return await proceed()


async def in_its_place(context: Context, proceed: Proceed) -> JobResult:
    return JobResult.completed("not needed")


async def limits(context: Context, proceed: Proceed) -> JobResult:
    async with asyncio.timeout(0.01):
        return await proceed()


async def fails_after(context: Context, proceed: Proceed) -> JobResult:
    try:
        await proceed()
    finally:
        raise ConnectionError("no way")


async def hangs_after(context: Context, proceed: Proceed) -> JobResult:
    result = await proceed()
    await asyncio.sleep(3600)
    return result


async def forgets_the_result(context: Context, proceed: Proceed) -> Any:
    await proceed()


async def goes_on_twice(context: Context, proceed: Proceed) -> JobResult:
    await proceed()
    return await proceed()


async def makes_a_success_of_it(context: Context, proceed: Proceed) -> JobResult:
    with suppress(KeyError):
        await proceed()
    return JobResult.success("made of it")


async def makes_a_failure_of_it(context: Context, proceed: Proceed) -> JobResult:
    await proceed()
    return JobResult.fatal_error("made of it")


async def keeps_it(context: Context, proceed: Proceed) -> JobResult:
    return await proceed()


async def as_asked(context: Context, proceed: Proceed) -> JobResult:
    """Run the hook above that the params name."""
    name = msgspec.json.decode(context.job.params).get("hook", "keeps_it")
    result: JobResult = await globals()[name](context, proceed)
    return result


async def succeeds(params: object, context: Context) -> JobResult:
    context.log.info("handler")
    return JobResult.success("done")


async def answers_nothing(params: object, context: Context) -> None:
    context.log.info("handler")


def in_thread(params: object, context: Context) -> JobResult:
    context.log.info("handler")
    return JobResult.success("done")


def late_in_thread(params: object, context: Context) -> JobResult:
    """Run in a thread, which nobody can cancel, until the execution is to end."""
    while context.stop_reason is None:
        time.sleep(0.01)
    return JobResult.success("too late")


class typed(JobHandler[dict[str, str]]):  # noqa: N801
    async def execute(self) -> JobResult:
        self.log.info("handler")
        return JobResult.success("to be changed")


async def raises(params: object, context: Context) -> None:
    raise KeyError("the reason")


async def fails(params: object, context: Context) -> JobResult:
    return JobResult.failed("not today")


async def blocks(params: object, context: Context) -> None:
    context.log.info("handler")
    await asyncio.sleep(3600)


async def writes(params: dict[str, str], context: Context) -> JobResult:
    """Write in the job's transaction, then end as the params say."""
    async with context.transaction() as connection:
        await connection.execute("insert into written values ($1)", context.job.job_name)
    if params["answer"] == "raises":
        raise KeyError("after the block")
    return JobResult(Outcome(params["answer"]), "written")


def not_async(context: Context, proceed: Proceed) -> None: ...


async def takes_one(context: Context) -> None: ...


class SynchronousHook(Hook):
    def before_execute(self, context: Context) -> None:  # type: ignore[override]
        return None


class NeedsAnArgument(Hook):
    def __init__(self, url: str) -> None: ...
