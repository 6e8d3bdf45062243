"""Regular snapshots of the queue as a whole, for the service status and the metrics."""

import asyncio
from time import monotonic

import asyncpg

from asyncjobd.observability.metrics.counters import DaemonMetrics
from asyncjobd.observability.metrics.queue_snapshot import Counts, QueueSnapshot, StorageSnapshot
from asyncjobd.postgres.session import Session

PACE = 5.0  # seconds between two snapshots while jobs end
QUIET_PACE = 30.0  # seconds between two snapshots while no job ends
LARGEST_SHARE = 0.02  # the share of time spent on snapshots: slow ones are taken less often


class QueueSampler:
    """Takes snapshots of the queue; none if nobody reads them.

    Attributes:
        survey: The latest snapshot, or None before the first.
    """

    def __init__(self, session: Session, figures: DaemonMetrics, *, is_shown: bool, is_scraped: bool) -> None:
        """Create the sampler.

        Args:
            session: A database session of its own.
            figures: The metrics of this daemon.
            is_shown: A service manager shows the service status.
            is_scraped: Prometheus scrapes the metrics.
        """
        self._session = session
        self._figures = figures
        self._is_shown = is_shown
        self._is_scraped = is_scraped
        self._ended = 0  # executions, at the latest snapshot
        self._pace = PACE
        self.survey: QueueSnapshot | None = None

    async def run(self) -> None:
        while self._is_shown or self._is_scraped:
            if self._is_due():
                await self._look()
            await asyncio.sleep(PACE)
        await asyncio.Event().wait()

    def _is_due(self) -> bool:
        pace = self._pace if self._figures.total > self._ended else max(self._pace, QUIET_PACE)
        return self.survey is None or monotonic() >= self.survey.at + pace

    async def _look(self) -> None:
        self._ended = self._figures.total
        began_at = monotonic()
        rows = await self._session.run("list_actions")
        at = monotonic()
        self._pace = max(PACE, (at - began_at) / LARGEST_SHARE)
        storage = await self._look_at_storage() if self._is_scraped else None
        self.survey = QueueSnapshot(at, {row["name"]: _counts(row) for row in rows}, storage)

    async def _look_at_storage(self) -> StorageSnapshot:
        tables = await self._session.run("tables")
        snapshots = await self._session.run("snapshots")
        seconds = [row["seconds"] for row in snapshots if row["seconds"] is not None]
        return StorageSnapshot(
            {row["name"].rpartition(".")[2]: row["dead"] for row in tables},
            max(seconds, default=None if snapshots else 0.0),
            max((row["transactions"] for row in snapshots), default=0),
        )


def _counts(row: asyncpg.Record) -> Counts:
    return Counts(
        row["ready"], row["running"], row["queued"], row["held"], row["failed"], row["oldest_ready"]
    )
