"""Records the outcomes of executions, in batches that grow with the load.

Each outcome is kept until it is written, or until its row is gone or has another owner.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from math import inf
from time import monotonic

import asyncpg

from asyncjobd.actions.controls import Controls
from asyncjobd.engine.halving import write_in_halves
from asyncjobd.engine.jobs import outcome_log
from asyncjobd.engine.jobs.finished import FinishedExecution, record_arguments
from asyncjobd.engine.jobs.outcome_log import OutcomeLog
from asyncjobd.engine.jobs.slots import Key
from asyncjobd.engine.retry_delay import RetryDelay
from asyncjobd.engine.signals import Signals
from asyncjobd.engine.wake import Wake
from asyncjobd.job import ClaimedJob, Status
from asyncjobd.observability.metrics.counters import DaemonMetrics
from asyncjobd.postgres.outage import describe, is_refusal
from asyncjobd.postgres.session import Session

MAX_BATCH = 1000  # executions
MAX_BATCH_SIZE = 8_000_000  # bytes
MAX_BUFFER = 5_000  # executions whose rows nobody has locked; while there are more, nothing new is claimed
MAX_BUFFER_SIZE = 32_000_000  # bytes, those whose rows somebody has locked included
LOCKED_RETRY = 0.05  # seconds until rows that clients have locked are tried again; doubles
REFUSED_RETRY = 60.0  # seconds until a row of which PostgreSQL takes no change at all is tried again


class Recorder:
    def __init__(
        self, session: Session, metrics: DaemonMetrics, controls: Controls, signals: Signals
    ) -> None:
        self._session = session
        self._controls = controls
        self._signals = signals
        self._log = OutcomeLog(metrics)
        self._buffer: deque[FinishedExecution] = deque()
        self._locked: list[FinishedExecution] = []
        # Executions whose outcome PostgreSQL refuses, and when each is tried again (monotonic)
        self._refused: deque[tuple[float, FinishedExecution]] = deque()
        self._writing: list[FinishedExecution] = []
        self._locked_retry = RetryDelay(LOCKED_RETRY)
        self._locked_until = 0.0  # monotonic
        self._wake = Wake()
        self.size = 0  # bytes, about, of all that is to be written
        self.turns = 0  # counted for the watchdog
        self.written = Wake()  # set after each batch

    @property
    def is_full(self) -> bool:
        return len(self._buffer) + len(self._writing) >= MAX_BUFFER or self.size >= MAX_BUFFER_SIZE

    @property
    def owes_turn(self) -> bool:
        return self.pending > 0 and not self._session.is_waiting

    @property
    def pending(self) -> int:
        return len(self._buffer) + len(self._locked) + len(self._writing)

    def keys(self) -> Iterator[Key]:
        """Return the keys of all executions that are to be written."""
        return ((finished.job.id, finished.claim_token) for finished in self._unwritten())

    def jobs(self) -> Iterator[ClaimedJob]:
        """Return the jobs of all executions that are to be written."""
        return (finished.job for finished in self._unwritten())

    def _unwritten(self) -> Iterator[FinishedExecution]:
        refused = (finished for _, finished in self._refused)
        return chain(self._buffer, self._locked, self._writing, refused)

    def add(self, finished: FinishedExecution) -> None:
        """Record the outcome, unless the handler's transaction has done so already."""
        if finished.row is not None:
            self._note_recorded([finished], finished.row)
            self._tell_freed([finished])
            return
        self.size += finished.size
        self._buffer.append(finished)
        self._wake.set()

    async def run(self) -> None:
        while True:
            self.turns += 1
            await self._wake.wait(self._seconds_to_retry())
            self._take_retries()
            while self._buffer:
                self.turns += 1
                self._writing = self._next_batch()
                await write_in_halves(self._writing, self._write, self._write_refused)
                written, self._writing = self._writing, []
                self.written.set()
                self._tell_freed(written)
            if not self._locked:
                self._locked_retry.note(are_locked=False)

    def _tell_freed(self, executions: Iterable[FinishedExecution]) -> None:
        """Signal that limited actions have room for other jobs."""
        limited = self._controls.with_places
        if limited and (names := limited.intersection(finished.job.job_name for finished in executions)):
            self._signals.rows_ready.add(*names)

    def _seconds_to_retry(self) -> float | None:
        times = [self._locked_until] if self._locked else []
        times += [self._refused[0][0]] if self._refused else []
        return max(0.0, min(times) - monotonic()) if times else None

    def _take_retries(self) -> None:
        """Put back into the buffer what was locked or refused, when its time has come."""
        now = monotonic()
        if self._locked and self._locked_until <= now:
            self._locked_retry.note(are_locked=True)
            self._buffer.extend(self._locked)
            self._locked.clear()
        while self._refused and self._refused[0][0] <= now:
            self._buffer.append(self._refused.popleft()[1])

    def _next_batch(self) -> list[FinishedExecution]:
        batch: list[FinishedExecution] = []
        size = 0
        while self._buffer and len(batch) < MAX_BATCH and size < MAX_BATCH_SIZE:
            batch.append(self._buffer.popleft())
            size += batch[-1].size
        return batch

    async def drain(self, hurry: asyncio.Event, patience: float) -> None:
        """Wait until everything is written. An outage is waited out, once `hurry` is set for `patience` seconds."""
        hurried_at = None
        while self.pending:
            await self.written.wait(LOCKED_RETRY)
            if hurry.is_set():
                hurried_at = hurried_at or monotonic()
                if monotonic() > hurried_at + patience:
                    break
        if unwritten := self.pending + len(self._refused):
            outcome_log.log_unwritten(unwritten)

    async def _write(self, batch: Sequence[FinishedExecution]) -> None:
        rows = await self._session.run("jobs/record_outcomes", **record_arguments(batch))
        missing = dict(enumerate(batch, 1))
        for row in rows:
            recorded = [missing.pop(number) for number in row["numbers"]]
            self._forget(recorded)
            self._note_recorded(recorded, row)
        if missing:
            await self._sort_out(list(missing.values()))

    def _forget(self, executions: Iterable[FinishedExecution]) -> None:
        for finished in executions:
            self.size -= finished.size

    def _note_recorded(self, recorded: list[FinishedExecution], row: asyncpg.Record) -> None:
        """Log and count recorded executions, and signal if their rows go on."""
        self._log.recorded(recorded, row)
        if row["status"] == Status.QUEUED:
            if row["due_epoch"] == inf:  # what it waits for may end in any daemon
                self._signals.made_queued_for_all(inf)
            else:  # this daemon promotes it, and if it dies, the timers of others find it
                self._signals.made_queued(row["due_epoch"])
        elif row["status"] == Status.IN_PROGRESS:
            self._signals.made_ready(*{finished.job.job_name for finished in recorded})
        elif self._signals.jobs_ended.is_told:
            self._signals.jobs_ended.add(
                [finished.job.id for finished in recorded], have_failed=row["status"] == Status.FAILED
            )

    async def _sort_out(self, missing: list[FinishedExecution]) -> None:
        """Try later what is locked, and drop what has lost its row."""
        rows = await self._session.run(
            "jobs/find_owned_executions",
            job_ids=[finished.job.id for finished in missing],
            claim_tokens=[finished.claim_token for finished in missing],
        )
        locked = {row["id"] for row in rows}
        for finished in missing:
            if finished.job.id in locked:
                self._locked.append(finished)
                self._locked_until = monotonic() + self._locked_retry.seconds
            else:
                self._forget([finished])
                self._log.lost(finished)

    async def _write_refused(self, finished: FinishedExecution, error: Exception) -> None:
        """Write what PostgreSQL takes of it: its texts in ASCII, or else the reason in its place."""
        for reduced in (finished.in_ascii, finished.as_refused(describe(error))):
            try:
                await self._write([reduced])
                return
            except Exception as again:
                if not is_refusal(again):
                    raise
        outcome_log.log_refused(finished, describe(error), REFUSED_RETRY)
        self._refused.append((monotonic() + REFUSED_RETRY, finished))
