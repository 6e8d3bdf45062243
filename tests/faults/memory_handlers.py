"""Handlers that need memory, or tell how much their daemon keeps."""

import asyncio
from typing import Any, NoReturn

from asyncjobd import Context, JobResult
from asyncjobd.engine.jobs.runner import Runner


async def fills(params: dict[str, int], context: Context) -> JobResult:
    """Return a result of params["characters"]."""
    return JobResult.success(result="x" * params["characters"])


async def fails_with_much(params: dict[str, Any], context: Context) -> NoReturn:
    """Fail with 20 MB in the frame that the exception keeps."""
    table = bytearray(20 << 20)
    raise ValueError(len(table))


async def counts_deadlines(params: dict[str, Any], context: Context) -> JobResult:
    """Count the deadlines that the runner keeps: too small to be seen in the daemon's memory, nor told anywhere."""
    task: Any = asyncio.current_task()
    runner: Runner = task.get_coro().cr_frame.f_locals["self"]
    return JobResult.success(result=len(runner._deadlines))
