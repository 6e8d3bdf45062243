"""How an execution ended, and the arguments of the statement that records it."""

from collections.abc import Sequence
from time import monotonic
from typing import Any

import asyncpg
import msgspec

from asyncjobd.context import ProgressReport
from asyncjobd.engine.jobs.transitions import COMPLETED, FAILED, HANDED_BACK, Transition
from asyncjobd.job import ClaimedJob
from asyncjobd.postgres.column import column
from asyncjobd.postgres.text import escaped_ascii
from asyncjobd.result import JobResult, Outcome

OVERHEAD = 1000  # bytes of a finished execution, beside its texts

STOPPED = JobResult(Outcome.STOPPED, "stopped before its end")


class FinishedExecution(msgspec.Struct, frozen=True):
    """A finished execution, and how its job goes on."""

    job: ClaimedJob
    claim_token: int
    result: JobResult
    encoded: str | None  # the result as JSON
    transition: Transition
    ended_at: float  # monotonic
    duration: float  # seconds
    size: int  # bytes, about
    # The recorded row, if the handler's transaction has recorded it already
    row: asyncpg.Record | None = None
    reported: ProgressReport | None = None  # the last progress, which the row may not have yet
    log: str | None = None  # the end of what the handler logged, if its action keeps it

    @classmethod
    def not_begun(cls, job: ClaimedJob, claim_token: int) -> "FinishedExecution":
        """Return the end of a job that was claimed, and stopped before its handler began."""
        return cls(job, claim_token, STOPPED, None, HANDED_BACK, monotonic(), 0.0, OVERHEAD)

    @classmethod
    def unreadable(cls, job: ClaimedJob, claim_token: int, reason: str) -> "FinishedExecution":
        """Return the end of a job that was claimed, and whose params PostgreSQL cannot send."""
        result = JobResult.fatal_error(f"params cannot be read: {reason}")
        return cls(job, claim_token, result, None, FAILED, monotonic(), 0.0, OVERHEAD)

    @property
    def in_ascii(self) -> "FinishedExecution":
        """Return a copy with texts that every database can store. The result stays as it is."""
        result, reported = self.result, self.reported
        texts = msgspec.structs.replace(
            result, message=_ascii(result.message), traceback=_ascii(result.traceback)
        )
        progress = None if reported is None else (reported[0], _ascii(reported[1]))
        return msgspec.structs.replace(self, result=texts, reported=progress, log=_ascii(self.log))

    def as_refused(self, reason: str) -> "FinishedExecution":
        """Return what is written in its place where PostgreSQL refuses to store it."""
        result = JobResult.fatal_error(f"the handler's result cannot be stored: {reason}")
        return msgspec.structs.replace(
            self, result=result, encoded=None, transition=FAILED, reported=None, log=None
        )


def size_of(result: JobResult, encoded: str | None, reported: ProgressReport | None, log: str | None) -> int:
    size = OVERHEAD
    if encoded is not None:
        size += len(encoded)
    if result.message is not None:
        size += len(str(result.message))
    if result.traceback is not None:
        size += len(result.traceback)
    if reported is not None and reported[1] is not None:
        size += len(reported[1])
    if log is not None:
        size += len(log)
    return size


def _ascii(text: str | None) -> str | None:
    return None if text is None else escaped_ascii(str(text))


def record_arguments(batch: Sequence[FinishedExecution]) -> dict[str, Any]:
    """Return the arguments of jobs/record_outcomes."""
    now = monotonic()
    transitions = [finished.transition for finished in batch]
    results = [finished.result for finished in batch]
    reported = column([finished.reported for finished in batch])
    fractions, messages = (
        zip(*(each or (None, None) for each in reported), strict=True) if reported else (None, None)
    )
    return {
        "job_ids": [finished.job.id for finished in batch],
        "claim_tokens": [finished.claim_token for finished in batch],
        "ages": [now - finished.ended_at for finished in batch],
        "outcomes": column([None if each.outcome is Outcome.SUCCESS else each.outcome for each in results]),
        "statuses": column([None if each is COMPLETED else each.status for each in transitions]),
        "on_grid": column([each.on_grid or None for each in transitions]),
        "delays": column(
            [None if each.after is None else each.after.total_seconds() for each in transitions]
        ),
        "results": column([finished.encoded for finished in batch]),
        "messages": column([result.message for result in results]),
        "tracebacks": column([result.traceback for result in results]),
        "progress": fractions,
        "progress_messages": messages,
        "logs": column([finished.log for finished in batch]),
    }
