"""Deletes jobs that ended longer ago than they are kept."""

import asyncio

import structlog

from asyncjobd.config import RetentionConfig, interval
from asyncjobd.postgres.session import Session

BATCH = 1000
PAUSE = 0.1  # seconds between two batches
INTERVAL = 600.0  # seconds between two walks
BEFORE_ALL = -(2**63)  # an id

log = structlog.get_logger("asyncjobd.retention")


class Retention:
    def __init__(self, session: Session, config: RetentionConfig) -> None:
        self._session = session
        self._kept = interval(config.completed), interval(config.failed)

    async def run(self) -> None:
        while any(self._kept):
            deleted = await self._walk()
            if deleted:
                log.info("jobs.deleted", count=deleted, reason="they ended longer ago than [retention] keeps them")
            await asyncio.sleep(INTERVAL)
        await asyncio.Event().wait()

    async def _walk(self) -> int:
        deleted, last = 0, BEFORE_ALL
        while last is not None:
            (row,) = await self._session.run("delete_old", *self._kept, last, BATCH)
            deleted, last = deleted + row["deleted"], row["last"]
            await asyncio.sleep(PAUSE)
        return deleted
