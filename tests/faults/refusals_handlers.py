"""A handler whose outcome not every database can store."""

from typing import Any

from asyncjobd import Context, JobResult


async def answers_in_chinese(params: dict[str, Any], context: Context) -> JobResult:
    return JobResult.success("漢")
