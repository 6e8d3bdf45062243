"""Handlers of all kinds, which note every start and end in the ledger of their world."""

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

from asyncjobd import Context, JobResult
from tests.simulation.loop import VirtualLoop, owner


class Notes:
    """The file of the ledger of this world (tests/faults/ledger.py)."""

    file = -1


@contextmanager
def noted(context: Context) -> Iterator[None]:
    note("start", context)
    try:
        yield
    finally:
        note("end", context)


def note(event: str, context: Context) -> None:
    job = context.job
    entry = {"t": asyncio.get_running_loop().time(), "event": event, "life": owner.get(), "job": job.id,
             "number": job.execution_total, "lease": context.claim_token}  # fmt: skip
    os.write(Notes.file, json.dumps(entry).encode() + b"\n")


async def quick(params: dict[str, Any], context: Context) -> None:
    with noted(context):
        pass


async def sleeps(params: dict[str, float], context: Context) -> None:
    with noted(context):
        await asyncio.sleep(params["seconds"])


def sleeps_in_thread(params: dict[str, float], context: Context) -> None:
    with noted(context):
        pass  # the virtual threads take their time by themselves


async def blocks_loop(params: dict[str, float], context: Context) -> None:
    with noted(context):
        cast("VirtualLoop", asyncio.get_running_loop()).block(params["seconds"])
        await asyncio.sleep(0)


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


async def raises_twice(params: dict[str, Any], context: Context) -> None:
    with noted(context):
        if context.job.execution_count < 3:
            raise ValueError("not yet")


async def outlasts(params: dict[str, Any], context: Context) -> None:
    """Take longer than the timeout of its action, twice."""
    with noted(context):
        if context.job.execution_count < 3:
            await asyncio.sleep(60)


async def spawns(params: dict[str, Any], context: Context) -> None:
    """Insert a child in the transaction that completes this job."""
    with noted(context):
        async with context.transaction() as connection:
            await connection.execute(
                "with new as (insert into asyncjob.job (job_name, parent_id) values ('quick', $1) returning id)"
                " insert into ledger.job select new.id, 'quick', 0, false from new",
                context.job.id,
            )


async def swallows_cancellation(params: dict[str, float], context: Context) -> None:
    """Go on for a while after the first cancellation."""
    with noted(context):
        try:
            await asyncio.sleep(params["seconds"])
        except asyncio.CancelledError:
            await asyncio.sleep(0.1)


async def reports(params: dict[str, float], context: Context) -> None:
    with noted(context):
        for part in range(4):
            context.progress(part / 4, f"part {part}")
            await asyncio.sleep(params["seconds"] / 4)
