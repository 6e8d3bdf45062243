"""Deletes jobs that ended longer ago than they are kept, and executions of those that go on."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from asyncjobd.config.load import RetentionConfig, interval
from asyncjobd.engine.halving import write_in_halves
from asyncjobd.postgres.outage import describe
from asyncjobd.postgres.session import Session

BATCH = 1000
PAUSE = 0.1  # seconds between two batches
INTERVAL = 600.0  # seconds between two walks
BEFORE_ALL = -(2**63)  # an id
MOST_KEPT = 1000  # rows that cannot be deleted, as others refer to them, of one walk
MOST_NAMED = 10  # of them in the log
REASON = "they ended longer ago than [retention] keeps them"

log = structlog.get_logger("asyncjobd.retention")


class Pruner:
    def __init__(self, session: Session, config: RetentionConfig) -> None:
        self._session = session
        self._jobs = interval(config.completed), interval(config.failed)
        self._executions = interval(config.executions)
        self._place: int | None = BEFORE_ALL  # where the walk over the jobs goes on

    async def run(self) -> None:
        while any((*self._jobs, self._executions)):
            if any(self._jobs):
                await self._delete_jobs()
            if self._executions and (deleted := await self._delete_executions()):
                log.info("executions.deleted", count=deleted, reason=REASON)
            await asyncio.sleep(INTERVAL)
        await asyncio.Event().wait()

    async def _delete_jobs(self) -> None:
        """Walk over all ended rows; where many cannot be deleted, a part of them, and go on there the next time."""
        walk = _Walk()
        while self._place is not None and walk.kept < MOST_KEPT:
            (row,) = await self._session.run("find_ended", *self._jobs, self._place, BATCH)
            await write_in_halves(row["ids"], partial(self._delete, walk), walk.keep)
            self._place = row["last"]
            await asyncio.sleep(PAUSE)
        if self._place is None:
            self._place = BEFORE_ALL
        if walk.deleted:
            log.info("jobs.deleted", count=walk.deleted, reason=REASON)
        if walk.kept:
            log.warning("jobs.undeletable", count=walk.kept, job_ids=walk.kept_ids, reason=walk.reason)

    async def _delete(self, walk: "_Walk", ids: Sequence[int]) -> None:
        walk.deleted += len(await self._session.run("delete_jobs", *self._jobs, ids))

    async def _delete_executions(self) -> int:
        deleted = 0
        while rows := await self._session.run("delete_executions", self._executions, BATCH):
            deleted += len(rows)
            await asyncio.sleep(PAUSE)
        return deleted


@dataclass(slots=True)
class _Walk:
    deleted: int = 0
    kept: int = 0
    kept_ids: list[int] = field(default_factory=list)  # the first of them
    reason: str = ""

    async def keep(self, job_id: int, error: Exception) -> None:
        self.kept += 1
        self.reason = describe(error)
        if len(self.kept_ids) < MOST_NAMED:
            self.kept_ids.append(job_id)
