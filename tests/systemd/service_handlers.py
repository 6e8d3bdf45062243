"""Handlers for the unit. Those that hang do so in the first execution only."""

import asyncio
import time
from pathlib import Path
from typing import Any

from asyncjobd import Context, JobResult


async def sleeps(params: dict[str, float], context: Context) -> None:
    await asyncio.sleep(params["seconds"])


async def hangs(params: dict[str, Any], context: Context) -> None:
    if context.job.execution_count == 1:
        await asyncio.sleep(3600)


async def blocks_loop(params: dict[str, Any], context: Context) -> None:
    if context.job.execution_count == 1:
        time.sleep(3600)


def eats(params: dict[str, int], context: Context) -> None:
    bytearray(params["megabytes"] * 1024**2)


def writes(params: dict[str, str], context: Context) -> JobResult:
    Path(params["file"]).write_text("written")
    return JobResult.success(", ".join(str(path) for path in Path(params["reads"]).iterdir()))
