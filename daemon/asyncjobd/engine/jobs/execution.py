"""One run of a handler, from the claim to the record."""

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any

import asyncpg
import msgspec

from asyncjobd import forks
from asyncjobd.actions.catalog import Action
from asyncjobd.actions.outcomes import COMMITTING_OUTCOMES, as_result, encode_result, failure_from
from asyncjobd.context import Context, ProgressReport
from asyncjobd.engine.jobs.transitions import COMPLETED, FAILED, HANDED_BACK, Transition, next_transition
from asyncjobd.job import ClaimedJob, current_job
from asyncjobd.params import ParamsError
from asyncjobd.postgres.column import column
from asyncjobd.postgres.text import shorten
from asyncjobd.postgres.transaction import Transaction
from asyncjobd.result import JobResult, Outcome, timed_out

OVERHEAD = 1000  # bytes of an ended execution, beside its texts
LONGEST_LOCK = 60.0  # seconds that a client's transaction on its row may hold up the end of a job


class ClaimLost(Exception):
    """Raised when the row of an execution is gone or has another owner, so its transaction must not commit."""


class OwnRowWritten(Exception):
    """Raised when a handler's transaction changes the status of its own job, which would cancel and restart it."""


STOPPED = JobResult(Outcome.STOPPED, "stopped before its end")


class Execution:
    """`task` runs it."""

    __slots__ = ("_is_committing", "_task", "action", "began_at", "context", "deadline")

    def __init__(self, context: Context, action: Action, task: "asyncio.Task[None]") -> None:
        self.context = context
        self.action = action
        self._task = task
        self._is_committing = False
        self.began_at = monotonic()
        self.deadline = None if context.job.timeout is None else self.began_at + context.job.timeout

    def cancel(self, ending: Outcome) -> None:
        """Asks the handler to end. Asked again, it is cancelled again: one may have swallowed the first."""
        self.context.stop_reason = self.context.stop_reason or ending
        if not self._is_committing:  # of a cancelled commit nobody knows the end
            self._task.cancel()

    async def perform(self) -> "FinishedExecution":
        """Runs the handler. Whatever it does, the answer is how its job goes on."""
        token = current_job.set(self.context.job)
        encoded = row = None
        undone: BaseException | None = None
        try:
            try:
                result = as_result(await self.action.handler.run(self.context))
            finally:
                if forks.is_child:
                    forks.exit_if_child()
            encoded = encode_result(result)
            if (
                transaction := self.context.open_transaction
            ) is not None and result.outcome in COMMITTING_OUTCOMES:
                row = await self._commit(transaction, self._end(result, encoded))
        except ParamsError as error:
            result = JobResult.fatal_error(shorten(str(error)))
        except BaseException as error:  # SystemExit too: a handler ends its own job, never the daemon
            result, encoded = self._raised(error), None
            undone = error
        self.context.close()
        if self.context.transaction_used is not None:
            await self.context.roll_back(undone)
        undone = None  # its traceback holds this frame: each would keep the other
        if self.context.stop_reason is Outcome.TIMEOUT and row is None:
            result = timed_out(self.context.job.timeout)
            encoded = None
        current_job.reset(token)
        return self._end(result, encoded, row)

    async def _commit(self, transaction: Transaction, ended: "FinishedExecution") -> asyncpg.Record:
        """The handler's writes and the completion of its job, together; answers the row."""
        await transaction.run("lock", ended.job.id, patience=LONGEST_LOCK)
        rows = await transaction.run("record", *columns([ended]))
        if not rows:
            raise ClaimLost("the row is gone or has another owner")
        if rows[0]["is_stopped"]:
            committed = await self.context.client.get(ended.job.id)
            if committed is not None and not committed.is_stopping:
                raise OwnRowWritten(
                    "the handler wrote the status of its own row: it is to answer a JobResult instead"
                )
            self.context.stop_reason = self.context.stop_reason or Outcome.STOPPED
            raise asyncio.CancelledError
        self._is_committing = True
        await transaction.commit()
        return rows[0]

    def _raised(self, error: BaseException) -> JobResult:
        if self.context.stop_reason is Outcome.STOPPED:
            return STOPPED
        return failure_from(error)

    def _end(
        self, result: JobResult, encoded: str | None, row: asyncpg.Record | None = None
    ) -> "FinishedExecution":
        job = self.context.job
        following = next_transition(
            result.outcome,
            is_recursive=job.is_recursive,
            is_last=job.execution_count >= job.max_execution_count,
            after=result.after,
        )
        if encoded is not None:  # in place of the value, which may be as large
            result = msgspec.structs.replace(result, result=None)
        now = monotonic()
        duration = now - self.began_at
        reported = self.context.last_progress
        size = _size(result, encoded, reported)
        if job.size:  # nothing of the params is needed any more
            job = msgspec.structs.replace(job, params="")
        return FinishedExecution(
            job, self.context.claim_token, result, encoded, following, now, duration, size, row, reported
        )


class FinishedExecution(msgspec.Struct, frozen=True):
    """An execution that has ended. `encoded` is the result as JSON, `ended_at` monotonic, `duration` in seconds, `size`
    in bytes, about; `row` is what record.sql answered where the execution's own transaction has recorded it already;
    `reported` the last progress, which the row may not have yet."""

    job: ClaimedJob
    lease: int
    result: JobResult
    encoded: str | None
    following: Transition
    ended_at: float
    duration: float
    size: int
    row: asyncpg.Record | None = None
    reported: ProgressReport | None = None

    @classmethod
    def unbegun(cls, job: ClaimedJob, lease: int) -> "FinishedExecution":
        """Return the end of what was claimed and stopped before a handler had it."""
        return cls(job, lease, STOPPED, None, HANDED_BACK, monotonic(), 0.0, OVERHEAD)

    @classmethod
    def unreadable(cls, job: ClaimedJob, lease: int, reason: str) -> "FinishedExecution":
        """Return the end of what was claimed, and whose params PostgreSQL cannot send."""
        result = JobResult.fatal_error(f"params cannot be read: {reason}")
        return cls(job, lease, result, None, FAILED, monotonic(), 0.0, OVERHEAD)

    @property
    def in_ascii(self) -> "FinishedExecution":
        """Return it with texts that every database can store; what it answered as JSON stays."""
        result, reported = self.result, self.reported
        texts = msgspec.structs.replace(
            result, message=_ascii(result.message), traceback=_ascii(result.traceback)
        )
        progress = None if reported is None else (reported[0], _ascii(reported[1]))
        return msgspec.structs.replace(self, result=texts, reported=progress)

    def refused(self, reason: str) -> "FinishedExecution":
        """Return it as what is written where its answer cannot be stored."""
        result = JobResult.fatal_error(f"what the handler answered cannot be stored: {reason}")
        return msgspec.structs.replace(self, result=result, encoded=None, following=FAILED, reported=None)


def _size(result: JobResult, encoded: str | None, reported: ProgressReport | None) -> int:
    size = OVERHEAD
    if encoded is not None:
        size += len(encoded)
    if result.message is not None:
        size += len(str(result.message))
    if result.traceback is not None:
        size += len(result.traceback)
    if reported is not None and reported[1] is not None:
        size += len(reported[1])
    return size


def _ascii(text: str | None) -> str | None:
    return (
        None if text is None else str(text).encode("ascii", "backslashreplace").decode().replace("\0", "\\0")
    )


def columns(batch: Sequence[FinishedExecution]) -> tuple[Sequence[Any] | None, ...]:
    """The arguments of record.sql."""
    now = monotonic()
    following = [ended.following for ended in batch]
    results = [ended.result for ended in batch]
    reported = column([ended.reported for ended in batch])
    fractions, messages = (
        zip(*(each or (None, None) for each in reported), strict=True) if reported else (None, None)
    )
    return (
        [ended.job.id for ended in batch],
        [ended.lease for ended in batch],
        [now - ended.ended_at for ended in batch],
        column([None if result.outcome is Outcome.SUCCESS else result.outcome for result in results]),
        column([None if each is COMPLETED else each.status for each in following]),
        column([each.on_grid or None for each in following]),
        column([None if each.after is None else each.after.total_seconds() for each in following]),
        column([ended.encoded for ended in batch]),
        column([result.message for result in results]),
        column([result.traceback for result in results]),
        fractions,
        messages,
    )
