"""What one execution of a handler ended in."""

import traceback
from datetime import timedelta
from enum import StrEnum
from typing import Any

import msgspec

LARGEST = 100_000_000  # characters of result, message and traceback; PostgreSQL takes no statement of 1 GB
LONGEST_TEXT = 1_000_000  # characters of what an exception or a progress says; of more, the middle is left out
LONGEST = timedelta(days=365_000)  # as the table's check of retry_interval


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
    def retry_later(cls, message: str | None = None, after: timedelta | float | None = None) -> "JobResult":
        """Not yet: run again in `after` (minutes; None: retry_interval), at most max_execution_count times."""
        return cls(Outcome.RETRY_LATER, message, after=minutes(after))

    @classmethod
    def failed(cls, message: str | None = None, result: Any = None) -> "JobResult":
        """Failed this time: run again in retry_interval, at most max_execution_count times."""
        return cls(Outcome.FAILED, message, result)

    @classmethod
    def fatal_error(cls, message: str | None = None, result: Any = None) -> "JobResult":
        """Failed for good: no retry, no repetition."""
        return cls(Outcome.FATAL_ERROR, message, result)


DONE = {Outcome.SUCCESS, Outcome.COMPLETED}  # what a handler wrote in its transaction is kept
HANDLERS_CHOICE = {Outcome.SUCCESS, Outcome.COMPLETED, Outcome.RETRY_LATER, Outcome.FAILED, Outcome.FATAL_ERROR}
SUCCESS = JobResult.success()


def understand(answer: object) -> JobResult:
    """What a handler's answer means."""
    if answer is None:
        return SUCCESS
    if not isinstance(answer, JobResult) or answer.outcome not in HANDLERS_CHOICE:
        return JobResult.failed(f"the handler answered {answer!r:.200}: expected a JobResult or None")
    if not (answer.after is None or (isinstance(answer.after, timedelta) and answer.after <= LONGEST)):
        return JobResult.failed(
            f"the handler asked for a retry after {answer.after!r:.200}: expected at most 1000 years"
        )
    return answer


def as_json(result: JobResult) -> str | None:
    """What it answered beside the outcome, as JSON. Raises what shows that it cannot be kept."""
    encoded = None if result.result is None else msgspec.json.encode(result.result).decode()
    length = len(encoded or "") + len(str(result.message or "")) + len(str(result.traceback or ""))
    if length > LARGEST:
        raise ValueError(f"the handler answered more than {LARGEST:,} characters")
    return encoded


def raised(error: BaseException) -> JobResult:
    """What an exception of a handler means."""
    return JobResult(Outcome.FAILED, cut(_name(error)), traceback=cut(_trace(error)))


def timed_out(seconds: float | None) -> JobResult:
    return JobResult(Outcome.TIMEOUT, f"still running after its timeout of {seconds:g} s")


def cut(text: str) -> str:
    left_out = len(text) - LONGEST_TEXT
    if left_out <= 0:
        return text
    half = LONGEST_TEXT // 2
    return f"{text[:half]} ... {left_out:,} characters ... {text[-half:]}"


def _name(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}".rstrip(": ")
    except Exception:
        return type(error).__name__


def _trace(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception as unprintable:
        return f"{type(error).__name__}, whose traceback cannot be printed: {type(unprintable).__name__}"


def minutes(value: timedelta | float | None) -> timedelta | None:
    """A duration as this API takes it: a number is minutes."""
    return timedelta(minutes=value) if isinstance(value, int | float) else value
