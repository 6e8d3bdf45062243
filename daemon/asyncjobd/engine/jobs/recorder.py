"""Writes what executions ended in, in batches that grow with the load, until each is written or its lease is lost."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from time import monotonic
from typing import Any

import asyncpg
import structlog

from asyncjobd.engine.halving import write_in_halves
from asyncjobd.engine.jobs.execution import FinishedExecution, columns
from asyncjobd.engine.wake import Wake
from asyncjobd.job import Status
from asyncjobd.observability.logging import setup as logs
from asyncjobd.observability.metrics.counters import DaemonMetrics
from asyncjobd.postgres.outage import describe, is_refusal
from asyncjobd.postgres.session import Session
from asyncjobd.result import Outcome

BATCH = 1000
BATCH_SIZE = 8_000_000  # bytes
BUFFER = 5_000  # ended executions that nobody has locked; while there are more, nothing new is claimed
BUFFER_SIZE = 32_000_000  # bytes, those that somebody has locked included
LOCKED_RETRY = 0.05  # seconds until rows that clients have locked are tried again; doubles
LAST_LOCKED_RETRY = 1.0
REFUSED_RETRY = 60.0  # seconds until a row of which PostgreSQL takes no change at all is tried again

COMPLETED = Status.COMPLETED.value
STATUS_COMPLETED = {"status": COMPLETED}

log = structlog.get_logger("asyncjobd.job")


class Recorder:
    def __init__(
        self,
        session: Session,
        figures: DaemonMetrics,
        due_again: Callable[[float], None],
        ready_again: Callable[[str], None],
    ) -> None:
        self._session = session
        self._figures = figures
        self._due_again = due_again
        self._ready_again = ready_again
        self._buffer: deque[FinishedExecution] = deque()
        self._locked: list[FinishedExecution] = []
        self._refused: deque[tuple[float, FinishedExecution]] = deque()  # until when
        self._writing: list[FinishedExecution] = []
        self._locked_retry = LOCKED_RETRY
        self._locked_until = 0.0  # monotonic
        self._wake = Wake()
        self.size = 0  # bytes, about, of all that is to be written
        self.turns = 0
        self.written = Wake()

    @property
    def is_full(self) -> bool:
        return len(self._buffer) + len(self._writing) >= BUFFER or self.size >= BUFFER_SIZE

    @property
    def owes_turn(self) -> bool:
        return self.pending > 0 and not self._session.is_waiting

    @property
    def pending(self) -> int:
        return len(self._buffer) + len(self._locked) + len(self._writing)

    def executions(self) -> Iterator[tuple[int, int]]:
        """(job id, lease) of all that waits to be written."""
        for ended in chain(self._buffer, self._locked, self._writing, (ended for _, ended in self._refused)):
            yield ended.job.id, ended.lease

    def add(self, ended: FinishedExecution) -> None:
        if ended.row is not None:
            self._written([ended], ended.row)
            return
        self.size += ended.size
        self._buffer.append(ended)
        self._wake.set()

    async def run(self) -> None:
        while True:
            self.turns += 1
            await self._wake.wait(self._patience())
            self._take_up()
            while self._buffer:
                self.turns += 1
                self._writing = self._next_batch()
                await write_in_halves(self._writing, self._write, self._write_refused)
                self._writing = []
                self.written.set()
            if not self._locked:
                self._locked_retry = LOCKED_RETRY

    def _patience(self) -> float | None:
        """Return the seconds until something is to be tried again."""
        times = [self._locked_until] if self._locked else []
        times += [self._refused[0][0]] if self._refused else []
        return max(0.0, min(times) - monotonic()) if times else None

    def _take_up(self) -> None:
        """Try again what was locked or refused, when its time has come."""
        now = monotonic()
        if self._locked and self._locked_until <= now:
            self._locked_retry = min(2 * self._locked_retry, LAST_LOCKED_RETRY)
            self._buffer.extend(self._locked)
            self._locked.clear()
        while self._refused and self._refused[0][0] <= now:
            self._buffer.append(self._refused.popleft()[1])

    def _next_batch(self) -> list[FinishedExecution]:
        batch: list[FinishedExecution] = []
        size = 0
        while self._buffer and len(batch) < BATCH and size < BATCH_SIZE:
            batch.append(self._buffer.popleft())
            size += batch[-1].size
        return batch

    async def drain(self, hurry: asyncio.Event, last_wait: float) -> None:
        """Wait until everything is written. An outage is waited out; in a hurry, for `last_wait` seconds."""
        hurried_at = None
        while self.pending:
            await self.written.wait(LOCKED_RETRY)
            if hurry.is_set():
                hurried_at = hurried_at or monotonic()
                if monotonic() > hurried_at + last_wait:
                    break
        if unwritten := self.pending + len(self._refused):
            log.error("outcomes.unwritten", count=unwritten, reason="others will take these jobs back")

    async def _write(self, batch: Sequence[FinishedExecution]) -> None:
        rows = await self._session.run("record", *columns(batch))
        missing = dict(enumerate(batch, 1))
        for row in rows:
            recorded = [missing.pop(number) for number in row["numbers"]]
            self._forget(recorded)
            self._written(recorded, row)
        if missing:
            await self._sort_out(list(missing.values()))

    def _forget(self, recorded: Iterable[FinishedExecution]) -> None:
        for ended in recorded:
            self.size -= ended.size

    async def _write_refused(self, ended: FinishedExecution, error: Exception) -> None:
        """Write what PostgreSQL takes of it: its texts in ASCII, or else the reason in its place."""
        for less in (ended.in_ascii, ended.refused(describe(error))):
            try:
                await self._write([less])
                return
            except Exception as again:
                if not is_refusal(again):
                    raise
        log.error("job.unwritable", **_words(ended), reason=describe(error), again_in=REFUSED_RETRY)
        self._refused.append((monotonic() + REFUSED_RETRY, ended))

    async def _sort_out(self, missing: list[FinishedExecution]) -> None:
        rows = await self._session.run("owned", [e.job.id for e in missing], [e.lease for e in missing])
        locked = {row["id"] for row in rows}
        for ended in missing:
            if ended.job.id in locked:
                self._locked.append(ended)
                self._locked_until = monotonic() + self._locked_retry
            else:
                self._forget([ended])
                self._figures.disowned_outcomes += 1
                log.warning(
                    "job.lost",
                    **_words(ended),
                    reason="the row is gone or has another owner; outcome dropped",
                )

    def _written(self, recorded: list[FinishedExecution], row: asyncpg.Record) -> None:
        """All with the same answer."""
        status = row["status"]
        if status == COMPLETED and not row["is_stopped"]:
            lines = [_words(ended, row) | STATUS_COMPLETED for ended in recorded]
            self._figures.count_each("completed", lines)
            logs.info_each("job.completed", lines)
            return
        if status == Status.QUEUED:
            self._due_again(row["due_epoch"] or 0)
        elif status == Status.IN_PROGRESS:
            self._ready_again(recorded[0].job.job_name)
        for ended in recorded:
            words = _words(ended, row)
            self._figures.count_each(_tell(ended, row, words), [words])


def _tell(ended: FinishedExecution, row: asyncpg.Record, words: dict[str, Any]) -> str:
    """Of an end that is not the usual one; answers as what it counts."""
    status = row["status"]
    if row["is_stopped"]:
        log.info("job.stopped", **words, status=status)
        return "stopped"
    if status == Status.FAILED:
        log.error("job.failed", **words, status=status, traceback=ended.result.traceback)
        return "failed"
    if row["outcome"] == Outcome.STOPPED:
        log.info("job.handed_back", **words, status=status)
        return "stopped"
    if row["skipped"] is not None:
        has_failed = (
            row["outcome"] != Outcome.SUCCESS
        )  # of which the row, that goes on, tells no more at its next end
        tell = log.warning if has_failed else log.info
        tell("job.repeats", **words, status=status, skipped=row["skipped"], traceback=ended.result.traceback)
        return "failed" if has_failed else "repeated"
    log.warning("job.retries", **words, status=status, traceback=ended.result.traceback)
    return "retried"


def _words(ended: FinishedExecution, row: asyncpg.Record | None = None) -> dict[str, Any]:
    """The keys that every event of a job's end carries. What was recorded before, and only its answer lost, stands."""
    job, result = ended.job, ended.result
    recorded = None if row is None else row["outcome"]
    words = {
        "job_id": job.id,
        "job_name": job.job_name,
        "execution_count": job.execution_count,
        "outcome": recorded or result.outcome,
        "duration": int(ended.duration * 1e6) / 1e6,  # round() takes three times as long
        "waited": int(job.waited * 1e6) / 1e6,
    }
    if result.message is not None and recorded in {None, result.outcome}:
        words["message"] = result.message
    return words
