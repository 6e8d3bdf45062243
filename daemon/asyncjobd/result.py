"""The result of one execution of a handler."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

import msgspec


class Outcome(StrEnum):
    """How an execution ended; the values of the column `last_execution_status`.

    A handler can choose the first five. `TIMEOUT`: it ran longer than its timeout. `STOPPED`: a client
    stopped the job, or the daemon shut down. `LOST`: its daemon died.
    """

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
        """True for failed, fatal_error and timeout."""
        return self in {Outcome.FAILED, Outcome.FATAL_ERROR, Outcome.TIMEOUT}


class JobResult(msgspec.Struct, frozen=True):
    """The result of an execution; made by the class methods below.

    Attributes:
        outcome: How the execution ended.
        message: A text for people, kept in the row.
        result: Any value that encodes to JSON, kept in the row.
        after: The time until a retry is due; None means the job's retry_interval, with its back-off.
        traceback: The traceback of the handler's exception, set by the daemon.
    """

    outcome: Outcome
    message: str | None = None
    result: Any = None
    after: timedelta | None = None
    traceback: str | None = None

    @classmethod
    def success(cls, message: str | None = None, result: Any = None) -> "JobResult":
        """Return a success. A recursive job runs again at the next time on its grid."""
        return cls(Outcome.SUCCESS, message, result)

    @classmethod
    def completed(cls, message: str | None = None, result: Any = None) -> "JobResult":
        """Return a success that also ends the repetition of a recursive job."""
        return cls(Outcome.COMPLETED, message, result)

    @classmethod
    def retry_later(cls, message: str | None = None, after: timedelta | None = None) -> "JobResult":
        """Return a request to run again, up to max_execution_count executions in all.

        Args:
            message: A text for people, kept in the row. Default: none.
            after: The time until then. Default: the job's retry_interval, with its back-off.
        """
        return cls(Outcome.RETRY_LATER, message, after=after)

    @classmethod
    def failed(cls, message: str | None = None, result: Any = None) -> "JobResult":
        """Return a failure of this execution; the job is tried again up to max_execution_count times."""
        return cls(Outcome.FAILED, message, result)

    @classmethod
    def fatal_error(cls, message: str | None = None, result: Any = None) -> "JobResult":
        """Return a failure that ends the job: no retry, and no repetition of a recursive job."""
        return cls(Outcome.FATAL_ERROR, message, result)


def timed_out(seconds: float | None) -> JobResult:
    """Return the result of an execution that ran longer than its timeout, given in seconds."""
    number = f"{seconds:f}".rstrip("0").rstrip(".")  # also of a microsecond, and of a month
    return JobResult(Outcome.TIMEOUT, f"still running after its timeout of {number} s")
