"""Handlers that leave something behind which the next job in the same task must not see."""

import asyncio
from contextvars import ContextVar
from typing import Any

from asyncjobd import Context, JobResult

seen_by: ContextVar[int | None] = ContextVar("seen_by", default=None)


async def leaves_a_variable(params: dict[str, Any], context: Context) -> JobResult:
    """Set a context variable; the result is what it was before."""
    found = seen_by.get()
    seen_by.set(context.job.id)
    return JobResult.success(result=found)


async def cancels_itself_late(params: dict[str, Any], context: Context) -> JobResult:
    """Cancel the current task, but return without awaiting anything more."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return JobResult.success()
