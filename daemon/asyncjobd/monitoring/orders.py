"""Orders to many jobs: a status that is written to all that a selection means, a batch at a time."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from asyncjobd.job import Status
from asyncjobd.monitoring.run import Run
from asyncjobd.monitoring.search import WIDTH
from asyncjobd.monitoring.selection import Selection

BATCH = 1_000  # rows that it writes
PAUSE = 0.05  # seconds between two statements, for others


@dataclass(slots=True)
class Progress:
    """How far an order has come: how many jobs it has written, and why it has not written others."""

    written: int = 0
    unfit: int = 0  # in a status that it does not apply to
    locked: int = 0  # by somebody else
    reached: int = 0  # the last id that it has looked at


async def order(
    run: Run, selection: Selection, status: Status, only_from: Sequence[Status], progress: Progress
) -> AsyncGenerator[None, None]:
    """Write a status to the selected jobs that are in one of `only_from`, note the progress, and yield after each
    batch.

    Each batch is a transaction of its own: whoever stops early has ordered the jobs up to `progress.reached`.
    """
    while True:
        (row,) = await run(
            "control/order_jobs", after_id=progress.reached, width=WIDTH, limit=BATCH,
            new_status=status.value, only_from=[each.value for each in only_from], **selection.arguments,
        )  # fmt: skip
        if row["reached"] is None:
            return
        progress.written += row["written"]
        progress.unfit += row["unfit"]
        progress.locked += row["locked"]
        progress.reached = row["reached"]
        yield
        await asyncio.sleep(PAUSE)
