"""Handlers that many tests share. Those that one test file alone needs are beside it, in NAME_handlers.py."""

import asyncio
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

from asyncjobd import Context, JobBuilder, JobHandler, JobResult


async def succeed(params: dict[str, Any], context: Context) -> JobResult:
    """Succeed with the message "done" and the params as the result."""
    return JobResult.success("done", params or None)


async def answer(params: dict[str, Any], context: Context) -> JobResult:
    """End the n-th execution as the n-th of params["answers"] says, and later ones as the last says."""
    answers = params["answers"]
    name = answers[min(context.job.execution_total, len(answers)) - 1]
    if name == "exception":
        raise RuntimeError("as asked")
    if name == "timeout":
        await asyncio.sleep(3600)
    if name == "retry_soon":
        return JobResult.retry_later("soon", after=timedelta(milliseconds=60))
    result: JobResult = getattr(JobResult, name)(name)
    return result


async def raises(params: dict[str, Any], context: Context) -> NoReturn:
    raise KeyError("the reason")


async def sleeps(params: dict[str, Any], context: Context) -> None:
    """Sleep for params["seconds"], by default 0."""
    await asyncio.sleep(params.get("seconds", 0))


def sleeps_in_thread(params: dict[str, Any], context: Context) -> None:
    """Sleep for params["seconds"] in a thread, which nobody can cancel."""
    time.sleep(params["seconds"])


async def block(params: dict[str, Any], context: Context) -> NoReturn:
    """Run until cancelled."""
    while True:
        await asyncio.sleep(3600)


def block_in_thread(params: dict[str, str], context: Context) -> JobResult:
    """Run in a thread, which nobody can cancel, until params["file"] exists."""
    while not Path(params["file"]).exists():
        time.sleep(0.01)
    return JobResult.success(threading.current_thread().name)


async def blocks_loop(params: dict[str, float], context: Context) -> None:
    """Block the daemon's event loop for params["seconds"], as no handler should."""
    time.sleep(params["seconds"])


async def reports(params: dict[str, str], context: Context) -> JobResult:
    """Report progress a hundred times, then wait for params["file"]; fail if "fails" is among the params."""
    for step in range(100):
        await context.progress(step / 200, f"step {step}")
    while not Path(params["file"]).exists():
        await asyncio.sleep(0.01)
    return JobResult.failed("halfway") if "fails" in params else JobResult.success()


class fans_out(JobHandler[dict[str, int]]):  # noqa: N801
    """Insert params["children"] jobs named "succeed"; the result is their ids."""

    async def execute(self) -> JobResult:
        jobs = [JobBuilder("succeed").set_params({"n": n}).build() for n in range(self.params["children"])]
        ids = await self.client.insert_many(jobs)
        return JobResult.success(result=ids)


async def writes(params: dict[str, Any], context: Context) -> JobResult:
    """Run params["sql"] in the job's transaction, wait for params["file"], and end as params["answer"] says.

    With "leave_by_exception" the block is left by an exception; params["again"] is run in a second block.
    """
    try:
        async with context.transaction() as connection:
            await connection.execute(params["sql"])
            if params.get("leave_by_exception"):
                raise KeyError("left")
    except KeyError:
        pass
    if "again" in params:
        async with context.transaction() as connection:
            await connection.execute(params["again"])
    while "file" in params and not Path(params["file"]).exists():
        await asyncio.sleep(0.01)
    if params.get("answer") == "exception":
        raise RuntimeError("as asked")
    result: JobResult = getattr(JobResult, params.get("answer", "success"))("answered")
    return result
