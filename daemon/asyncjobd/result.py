"""What one execution of a handler ended in."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

import msgspec


class Outcome(StrEnum):
    """How an execution ended; the words of `last_execution_status`. A handler chooses the first five."""

    SUCCESS = "success"
    COMPLETED = "completed"
    RETRY_LATER = "retry_later"
    FAILED = "failed"
    FATAL_ERROR = "fatal_error"
    TIMEOUT = "timeout"
    STOPPED = "stopped"
    LOST = "lost"

    @property
    def is_failure(self) -> bool:
        return self in {Outcome.FAILED, Outcome.FATAL_ERROR, Outcome.TIMEOUT}


class JobResult(msgspec.Struct, frozen=True):
    """A handler's answer. `result` is kept in the row as JSON; a retry is due `after` (None: retry_interval)."""

    outcome: Outcome
    message: str | None = None
    result: Any = None
    after: timedelta | None = None
    traceback: str | None = None

    @classmethod
    def success(cls, message: str | None = None, result: Any = None) -> "JobResult":
        """Done. A recursive job goes on at the next time of its grid."""
        return cls(Outcome.SUCCESS, message, result)

    @classmethod
    def completed(cls, message: str | None = None, result: Any = None) -> "JobResult":
        """Done, and a recursive job ends its repetition."""
        return cls(Outcome.COMPLETED, message, result)

    @classmethod
    def retry_later(cls, message: str | None = None, after: timedelta | None = None) -> "JobResult":
        """Run again `after` this time (None: the job's retry_interval), at most max_execution_count times in all."""
        return cls(Outcome.RETRY_LATER, message, after=after)

    @classmethod
    def failed(cls, message: str | None = None, result: Any = None) -> "JobResult":
        """Failed this time: run again in retry_interval, at most max_execution_count times."""
        return cls(Outcome.FAILED, message, result)

    @classmethod
    def fatal_error(cls, message: str | None = None, result: Any = None) -> "JobResult":
        """Failed for good: no retry, no repetition."""
        return cls(Outcome.FATAL_ERROR, message, result)


def timed_out(seconds: float | None) -> JobResult:
    """Return the result of an execution that ran longer than its timeout."""
    return JobResult(Outcome.TIMEOUT, f"still running after its timeout of {seconds:g} s")
