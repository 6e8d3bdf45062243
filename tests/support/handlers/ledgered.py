"""Handlers that write down every start and end, where neither a kill nor an outage can undo it."""

import asyncio
import json
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from typing import Any

from asyncjobd import Context, JobResult

LIFE = os.environ["LEDGER_LIFE"]  # names this process
LEDGER = os.open(os.environ["LEDGER_FILE"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)


@contextmanager
def noted(context: Context) -> Iterator[None]:
    note("start", context)
    try:
        yield
    finally:
        note("end", context)


def note(event: str, context: Context) -> None:
    job = context.job
    entry = {"t": monotonic(), "event": event, "life": LIFE, "job": job.id, "number": job.execution_total,
             "lease": context.claim_token}  # fmt: skip
    os.write(LEDGER, json.dumps(entry).encode() + b"\n")  # one write is one line, whoever else writes


def block(seconds: float) -> None:
    """As time.sleep, which libfaketime breaks."""
    select.select([], [], [], seconds)


async def quick(params: dict[str, Any], context: Context) -> None:
    with noted(context):
        pass


async def naps(params: dict[str, float], context: Context) -> None:
    with noted(context):
        await asyncio.sleep(params["seconds"])


def naps_in_thread(params: dict[str, float], context: Context) -> None:
    with noted(context):
        block(params["seconds"])


async def blocks_loop(params: dict[str, float], context: Context) -> None:
    with noted(context):
        block(params["seconds"])  # what nobody should do


async def writes(params: dict[str, float], context: Context) -> None:
    """Its effect is exactly once."""
    with noted(context):
        async with context.transaction() as connection:
            await connection.execute(
                "insert into ledger.effect (job_id, lease) values ($1, $2)",
                context.job.id,
                context.claim_token,
            )
        await asyncio.sleep(params["seconds"])


async def fails_twice(params: dict[str, Any], context: Context) -> JobResult:
    with noted(context):
        if context.job.execution_count < 3:
            return JobResult.retry_later("not yet", after=timedelta(milliseconds=300))
        return JobResult.success()
