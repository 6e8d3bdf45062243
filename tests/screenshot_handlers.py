"""The jobs of a shop, for the picture of `top`."""

import asyncio
import random
from typing import Any

from asyncjobd import Context, JobResult

STEPS = ("reading orders", "grouping by country", "rendering pages", "uploading")


async def send(params: dict[str, Any], context: Context) -> JobResult:
    await asyncio.sleep(random.uniform(0.002, 0.03))
    return JobResult.success("sent")


async def resize(params: dict[str, Any], context: Context) -> JobResult:
    await asyncio.sleep(random.uniform(0.05, 0.4))
    return JobResult.success("3 sizes")


async def work(params: dict[str, float], context: Context) -> JobResult:
    """Report progress up to params["progress"], then wait."""
    progress = params["progress"]
    await context.progress(
        progress, f"{STEPS[int(progress * len(STEPS))]}, {progress * 48_000:,.0f} of 48,000"
    )
    await asyncio.sleep(3600)
    return JobResult.success()


async def pay(params: dict[str, str], context: Context) -> JobResult:
    raise ConnectionError(params["reason"])


async def sync(params: dict[str, Any], context: Context) -> JobResult:
    await asyncio.sleep(3600)
    return JobResult.success()
