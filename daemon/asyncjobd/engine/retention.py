"""Deletes jobs that ended longer ago than they are kept, and executions of those that go on."""

import asyncio

import structlog

from asyncjobd.config import RetentionConfig, interval
from asyncjobd.postgres.session import Session

BATCH = 1000
PAUSE = 0.1  # seconds between two batches
INTERVAL = 600.0  # seconds between two walks
BEFORE_ALL = -(2**63)  # an id
REASON = "they ended longer ago than [retention] keeps them"

log = structlog.get_logger("asyncjobd.retention")


class Retention:
    def __init__(self, session: Session, config: RetentionConfig) -> None:
        self._session = session
        self._jobs = interval(config.completed), interval(config.failed)
        self._executions = interval(config.executions)

    async def run(self) -> None:
        while any((*self._jobs, self._executions)):
            if any(self._jobs) and (deleted := await self._delete_jobs()):
                log.info("jobs.deleted", count=deleted, reason=REASON)
            if self._executions and (deleted := await self._delete_executions()):
                log.info("executions.deleted", count=deleted, reason=REASON)
            await asyncio.sleep(INTERVAL)
        await asyncio.Event().wait()

    async def _delete_jobs(self) -> int:
        deleted, last = 0, BEFORE_ALL
        while last is not None:
            (row,) = await self._session.run("delete_jobs", *self._jobs, last, BATCH)
            deleted, last = deleted + row["deleted"], row["last"]
            await asyncio.sleep(PAUSE)
        return deleted

    async def _delete_executions(self) -> int:
        deleted = 0
        while rows := await self._session.run("delete_executions", self._executions, BATCH):
            deleted += len(rows)
            await asyncio.sleep(PAUSE)
        return deleted
