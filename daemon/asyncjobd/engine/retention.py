"""Deletes jobs that ended longer ago than they are kept, and executions of those that go on."""

import asyncio
from collections.abc import Sequence

import structlog

from asyncjobd.config import RetentionConfig, interval
from asyncjobd.engine.halving import write_in_halves
from asyncjobd.postgres.outage import words
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
            if any(self._jobs):
                await self._delete_jobs()
            if self._executions and (deleted := await self._delete_executions()):
                log.info("executions.deleted", count=deleted, reason=REASON)
            await asyncio.sleep(INTERVAL)
        await asyncio.Event().wait()

    async def _delete_jobs(self) -> None:
        deleted, last = 0, BEFORE_ALL
        kept: list[int] = []
        reason = ""

        async def delete(ids: Sequence[int]) -> None:
            nonlocal deleted
            deleted += len(await self._session.run("delete_jobs", *self._jobs, ids))

        async def keep(job_id: int, error: Exception) -> None:
            nonlocal reason
            kept.append(job_id)
            reason = words(error)

        while last is not None:
            (row,) = await self._session.run("find_ended", *self._jobs, last, BATCH)
            await write_in_halves(row["ids"], delete, keep)
            last = row["last"]
            await asyncio.sleep(PAUSE)
        if deleted:
            log.info("jobs.deleted", count=deleted, reason=REASON)
        if kept:
            log.warning("jobs.undeletable", count=len(kept), job_ids=kept[:10], reason=reason)

    async def _delete_executions(self) -> int:
        deleted = 0
        while rows := await self._session.run("delete_executions", self._executions, BATCH):
            deleted += len(rows)
            await asyncio.sleep(PAUSE)
        return deleted
