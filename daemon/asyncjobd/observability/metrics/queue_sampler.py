"""Regular snapshots of the queue as a whole, for the service status and the metrics."""

import asyncio
from time import monotonic

import asyncpg

from asyncjobd.observability.metrics.counters import DaemonMetrics
from asyncjobd.observability.metrics.queue_snapshot import Counts, QueueSnapshot, StorageSnapshot
from asyncjobd.postgres.session import Session

INTERVAL = 5.0  # seconds between two snapshots while executions end
QUIET_INTERVAL = 30.0  # seconds between two snapshots while none does
MAX_TIME_SHARE = 0.02  # the share of time spent on snapshots: slow ones are taken less often


class QueueSampler:
    """Takes snapshots of the queue.

    Attributes:
        snapshot: The latest snapshot; None before the first.
    """

    def __init__(self, session: Session, metrics: DaemonMetrics, *, is_shown: bool, is_scraped: bool) -> None:
        """Create the sampler. It takes no snapshots unless a status is shown or metrics are scraped."""
        self._session = session
        self._metrics = metrics
        self._is_shown = is_shown
        self._is_scraped = is_scraped
        self._ended = 0  # executions, at the last snapshot
        self._interval = INTERVAL
        self.snapshot: QueueSnapshot | None = None

    async def run(self) -> None:
        while self._is_shown or self._is_scraped:
            if self._is_due():
                await self._take()
            await asyncio.sleep(INTERVAL)

    def _is_due(self) -> bool:
        is_quiet = self._metrics.total <= self._ended
        interval = max(self._interval, QUIET_INTERVAL) if is_quiet else self._interval
        return self.snapshot is None or monotonic() >= self.snapshot.at + interval

    async def _take(self) -> None:
        self._ended = self._metrics.total
        began_at = monotonic()
        rows = await self._session.run("inspect/list_actions")
        found = await self._session.run("inspect/count_waiting_jobs")
        waiting = {row["job_name"]: row["jobs"] for row in found}
        saturated = {
            row["name"]: row["saturated"] for row in await self._session.run("inspect/list_controls")
        }
        at = monotonic()
        self._interval = max(INTERVAL, (at - began_at) / MAX_TIME_SHARE)
        storage = await self._look_at_storage() if self._is_scraped else None
        actions = {
            row["name"]: _counts(row, waiting.get(row["name"], 0), saturated.get(row["name"])) for row in rows
        }
        self.snapshot = QueueSnapshot(at, actions, storage)

    async def _look_at_storage(self) -> StorageSnapshot:
        tables = await self._session.run("inspect/list_tables")
        snapshots = await self._session.run("inspect/list_snapshots")
        seconds = [row["seconds"] for row in snapshots if row["seconds"] is not None]
        return StorageSnapshot(
            {row["name"].rpartition(".")[2]: row["dead"] for row in tables},
            max(seconds, default=None if snapshots else 0.0),
            max((row["transactions"] for row in snapshots), default=0),
        )


def _counts(row: asyncpg.Record, waiting: int, is_saturated: bool | None) -> Counts:
    return Counts(
        row["ready"], row["running"], row["queued"], row["held"], row["failed"], row["oldest_ready"], waiting,
        is_saturated,
    )  # fmt: skip
