"""Deletes jobs that ended longer ago than [retention] keeps them, and earlier executions of jobs that go on."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from asyncjobd.config.model import RetentionConfig
from asyncjobd.engine.halving import write_in_halves
from asyncjobd.postgres.outage import describe
from asyncjobd.postgres.session import Session

MAX_BATCH = 1000  # rows
BATCH_INTERVAL = 0.1  # seconds between two batches
WALK_INTERVAL = 600.0  # seconds between two walks over the table
FIRST_ID = -(2**63)
MAX_KEPT = 1000  # rows of one walk that cannot be deleted, as other rows refer to them
MAX_NAMED = 10  # ids of such rows in the log
REASON = "they ended longer ago than [retention] keeps them"

log = structlog.get_logger("asyncjobd.pruner")


class Pruner:
    def __init__(self, session: Session, config: RetentionConfig) -> None:
        self._session = session
        self._jobs = {"keep_completed": config.completed, "keep_failed": config.failed}
        self._executions = config.executions
        self._place: int | None = FIRST_ID  # the id behind which the walk over the jobs goes on

    async def run(self) -> None:
        while any((*self._jobs.values(), self._executions)):
            if any(self._jobs.values()):
                await self._delete_jobs()
            if self._executions and (deleted := await self._delete_executions()):
                log.info("executions.deleted", count=deleted, reason=REASON)
            await asyncio.sleep(WALK_INTERVAL)

    async def _delete_jobs(self) -> None:
        """Walk over the ended rows. If many cannot be deleted, stop, and go on there the next time."""
        walk = _Walk()
        while self._place is not None and walk.kept < MAX_KEPT:
            (row,) = await self._session.run(
                "upkeep/find_ended_jobs", **self._jobs, after_id=self._place, limit=MAX_BATCH
            )
            await write_in_halves(row["ids"], partial(self._delete, walk), walk.keep)
            self._place = row["last"]
            await asyncio.sleep(BATCH_INTERVAL)
        if self._place is None:
            self._place = FIRST_ID
        if walk.deleted:
            log.info("jobs.deleted", count=walk.deleted, reason=REASON)
        if walk.kept:
            log.warning("jobs.undeletable", count=walk.kept, job_ids=walk.kept_ids, reason=walk.reason)

    async def _delete(self, walk: "_Walk", ids: Sequence[int]) -> None:
        rows = await self._session.run("upkeep/delete_jobs", **self._jobs, job_ids=ids)
        walk.deleted += len(rows)

    async def _delete_executions(self) -> int:
        deleted = 0
        while rows := await self._session.run(
            "upkeep/delete_executions", keep=self._executions, limit=MAX_BATCH
        ):
            deleted += len(rows)
            await asyncio.sleep(BATCH_INTERVAL)
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
        if len(self.kept_ids) < MAX_NAMED:
            self.kept_ids.append(job_id)
