"""Lets rows that wait for other jobs go on once those have ended.

Each such row watches one open job of those that it needs (`waits_on`). When that one has ended, the row watches another
one, until there is none. A watch may end while it is written, unseen by whoever records that end: so each new watch is
looked at once more after it was committed.
"""

from collections.abc import Sequence
from functools import partial
from time import monotonic

import asyncpg
import structlog

from asyncjobd.engine.ended_jobs import EndedJobs
from asyncjobd.engine.quarantine import Quarantine
from asyncjobd.engine.retry_delay import RetryDelay
from asyncjobd.engine.signals import NO_WATCH, Signals
from asyncjobd.job import Status
from asyncjobd.postgres.session import Session

MAX_BATCH = 1000  # rows
LOCKED_RETRY = 0.005  # seconds until rows that somebody has locked are tried again; doubles

log = structlog.get_logger("asyncjobd.resolver")


class Resolver:
    def __init__(
        self, session: Session, quarantine: Quarantine, signals: Signals, sweep_interval: float
    ) -> None:
        """Create the resolver. While rows wait, it sweeps every `sweep_interval` seconds."""
        self._session = session
        self._quarantine = quarantine
        self._signals = signals
        self._jobs_ended = signals.jobs_ended
        self._sweep_interval = sweep_interval
        self._sweep_at = 0.0  # monotonic
        self._locked = EndedJobs()  # jobs that rows wait for which somebody has locked, or has just changed
        self._locked_retry = RetryDelay(LOCKED_RETRY)
        self.turns = 0  # counted for the watchdog

    @property
    def owes_turn(self) -> bool:
        return self._jobs_ended.is_set and not self._session.is_waiting

    async def run(self) -> None:
        while True:
            self.turns += 1
            await self._jobs_ended.wait(self._patience())
            ended, self._locked = self._locked, EndedJobs()
            ended.add(self._jobs_ended.take())
            is_sweep_due = self._jobs_ended.is_told and monotonic() >= self._sweep_at
            if not (is_sweep_due and ended.ids <= {NO_WATCH}):  # the sweep looks at that, too
                await self._resolve(ended)
            if is_sweep_due:
                await self._sweep()
            self._locked_retry.note(are_locked=bool(self._locked))

    def _patience(self) -> float | None:
        """Return the seconds until the next look; None while no row waits."""
        if self._locked:
            return self._locked_retry.seconds
        return max(0.0, self._sweep_at - monotonic()) if self._jobs_ended.is_told else None

    async def _sweep(self) -> None:
        """Look at all rows whose watch has ended, or is no child of theirs any more. If no row waits, ends need not be
        told any more.
        """
        after: int | None = -1
        is_any = False
        while after is not None:
            (found,) = await self._session.run(
                "jobs/find_ended_watches", after_id=after, limit=MAX_BATCH,
                left_alone=self._quarantine.left_alone,
            )  # fmt: skip
            is_any = is_any or found["is_any"]
            after = found["last"]
            ended = EndedJobs((), found["ended"])  # whether they have failed, their rows say
            await self._quarantine.write(found["stale"], partial(self._look_at, EndedJobs(), ended))
            await self._resolve(ended)
        self._jobs_ended.is_told = is_any or self._jobs_ended.is_set  # a row may have come during the walk
        self._sweep_at = monotonic() + self._sweep_interval

    async def _resolve(self, ended: EndedJobs) -> None:
        """Look at the rows that wait for these jobs, then at those that wait for what has ended by that, and so on."""
        while ended:
            self.turns += 1
            batch = ended.take(MAX_BATCH)
            (found,) = await self._session.run(
                "jobs/find_waiting_jobs", ended_ids=list(batch.ids), failed_ids=list(batch.failed),
                limit=MAX_BATCH, left_alone=self._quarantine.left_alone,
            )  # fmt: skip
            done = await self._quarantine.write(found["ids"], partial(self._look_at, batch, ended))
            if done and found["watching"] == MAX_BATCH:  # more may wait for them
                ended.add(batch)
            elif done < len(found["ids"]) or found["watching"] < found["seen"]:
                self._locked.add(batch)
            ended.add(self._jobs_ended.take())  # they do not wait until a long chain has ended

    async def _look_at(self, batch: EndedJobs, ended: EndedJobs, ids: Sequence[int]) -> int:
        """Resolve these rows, add to `ended` what has ended by that or may have, and return how many are done."""
        rows = await self._session.run(
            "jobs/resolve_waiting_jobs", job_ids=ids, failed_ids=list(batch.failed)
        )
        ready = set()
        for row in rows:
            if row["waits_on"] is not None:
                ended.ids.add(row["waits_on"])
            elif row["status"] == Status.IN_PROGRESS:
                ready.add(row["job_name"])
            elif row["status"] == Status.QUEUED:
                self._signals.made_queued_for_all(row["due_epoch"])
            else:
                failed = [row["id"]] if row["status"] == Status.FAILED else []
                ended.add(EndedJobs([row["id"]], failed))
            if row["failed"] is not None:
                _log_failure(row)
        if ready:
            self._signals.rows_ready.add(*ready)
            self._signals.announcements.add_ready(*ready)
        return len(rows)


def _log_failure(row: asyncpg.Record) -> None:
    """Log what becomes of a row because a job that it waited for has failed."""
    log_it = log.info if row["status"] == Status.IN_PROGRESS else log.warning
    log_it(
        "job.dependency_failed", job_id=row["id"], job_name=row["job_name"], failed_job=row["failed"],
        status=row["status"],
    )  # fmt: skip
