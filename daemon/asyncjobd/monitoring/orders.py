"""Orders to many jobs: a status that is written to all that a selection means, a batch at a time."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import asyncpg
import msgspec

from asyncjobd.job import Status
from asyncjobd.monitoring.run import Run
from asyncjobd.monitoring.search import WIDTH
from asyncjobd.monitoring.selection import Selection
from asyncjobd.monitoring.states import state_of_row
from asyncjobd.postgres.outage import describe, is_refusal

BATCH = 1_000  # rows that it writes
PAUSE = 0.05  # seconds between two statements, for others


class Progress(msgspec.Struct):
    """How far an order has come: how many jobs it has written, and why it has not written others."""

    written: int = 0
    unfit: int = 0  # in a status that it does not apply to
    taken: int = 0  # ended, and another job has their key
    locked: int = 0  # by somebody else
    refused: int = 0  # by PostgreSQL or a trigger of the site
    refusal: str = ""  # the last one's reason
    reached: int = 0  # the last id that it has looked at


async def order(
    run: Run, selection: Selection, status: Status, only_from: Sequence[Status], progress: Progress
) -> AsyncGenerator[None, None]:
    """Write a status to the selected jobs that are in one of `only_from`, note the progress, and yield after each
    batch.

    Each batch is a transaction of its own: whoever stops early has ordered the jobs up to `progress.reached`. A job
    that PostgreSQL refuses to change is found by halves, and left as it is.
    """

    async def write(limit: int, only_from: Sequence[Status]) -> asyncpg.Record:
        (row,) = await run(
            "control/order_jobs", after_id=progress.reached, width=WIDTH, limit=limit, new_status=status.value,
            only_from=[each.value for each in only_from], **selection.arguments,
        )  # fmt: skip
        return row

    limit = BATCH
    while True:
        passed = await write(1, []) if limit == 1 else None  # the next job, which is left as it is
        try:
            row = await write(limit, only_from)
        except Exception as error:  # also where somebody has just taken a key: the next look sees that
            if not is_refusal(error):
                raise
            if passed is None:
                limit //= 2
                continue
            row = passed
            progress.refused += 1
            progress.refusal = describe(error)
        else:
            progress.unfit += row["unfit"]
        if row["reached"] is None:
            return
        limit = min(2 * limit, BATCH)
        progress.written += row["written"]
        progress.taken += row["taken"]
        progress.locked += row["locked"]
        progress.reached = row["reached"]
        yield
        await asyncio.sleep(PAUSE)


async def why_taken(run: Run, job_id: int, error: asyncpg.UniqueViolationError) -> str:
    """Return why a job cannot run again: which other one has its key, or what the error says."""
    for job in await run("client/get_job", job_id=job_id):
        for kind in ("unique_key", "debounce_key"):
            keys = {"unique_key": None, "debounce_key": None, "once_key": None, kind: job[kind]}
            for other in await run("client/find_keys", **keys):
                return f"job {other['id']} has its {kind} {job[kind]!r} and is {state_of_row(dict(other))}"
    return describe(error)
