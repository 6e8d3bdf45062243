"""A handler for the tests of retries."""

from time import time
from typing import Any

from asyncjobd import Context, JobResult


async def fails_at(params: dict[str, Any], context: Context) -> JobResult:
    """Fail with the time as the message, in seconds since 1970."""
    return JobResult.failed(repr(time()))
