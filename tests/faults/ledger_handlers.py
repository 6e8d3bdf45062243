"""Handlers that note every start and end in a file, where neither a kill nor an outage can undo it.

The environment of their daemon says where (LEDGER_FILE), and names the process (LEDGER_LIFE).
"""

import asyncio
import json
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from time import monotonic
from typing import Any

from asyncjobd import Context, JobResult


@cache
def ledger() -> int:
    """Return the file's descriptor."""
    return os.open(os.environ["LEDGER_FILE"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)


@contextmanager
def noted(context: Context) -> Iterator[None]:
    note("start", context)
    try:
        yield
    finally:
        note("end", context)


def note(event: str, context: Context) -> None:
    job = context.job
    entry = {"t": monotonic(), "event": event, "life": os.environ["LEDGER_LIFE"], "job": job.id,
             "number": job.execution_total, "lease": context.claim_token}  # fmt: skip
    os.write(ledger(), json.dumps(entry).encode() + b"\n")  # one write is one line, whoever else writes


def block(seconds: float) -> None:
    """Block as time.sleep does, which libfaketime breaks."""
    select.select([], [], [], seconds)


async def quick(params: dict[str, Any], context: Context) -> None:
    with noted(context):
        pass


async def sleeps(params: dict[str, float], context: Context) -> None:
    with noted(context):
        await asyncio.sleep(params["seconds"])


def sleeps_in_thread(params: dict[str, float], context: Context) -> None:
    with noted(context):
        block(params["seconds"])


async def blocks_loop(params: dict[str, float], context: Context) -> None:
    with noted(context):
        block(params["seconds"])  # what nobody should do


async def writes(params: dict[str, float], context: Context) -> None:
    """Write a row that must be there exactly once."""
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
