"""How a handler's answer or exception is understood, as a `JobResult`."""

import traceback
from datetime import timedelta

import msgspec

from asyncjobd.postgres.text import shorten
from asyncjobd.result import JobResult, Outcome

MAX_CHARACTERS = 100_000_000  # of result, message and traceback; PostgreSQL takes no statement of 1 GB
MAX_RETRY_DELAY = timedelta(days=365_000)  # as the table's check of retry_interval

DONE = {Outcome.SUCCESS, Outcome.COMPLETED}  # what a handler wrote in its transaction is kept
HANDLERS_CHOICE = {
    Outcome.SUCCESS,
    Outcome.COMPLETED,
    Outcome.RETRY_LATER,
    Outcome.FAILED,
    Outcome.FATAL_ERROR,
}
SUCCESS = JobResult.success()


def as_result(answer: object) -> JobResult:
    """What a handler's answer means."""
    if answer is None:
        return SUCCESS
    if not isinstance(answer, JobResult) or answer.outcome not in HANDLERS_CHOICE:
        return JobResult.failed(f"the handler answered {answer!r:.200}: expected a JobResult or None")
    if not (
        answer.after is None or (isinstance(answer.after, timedelta) and answer.after <= MAX_RETRY_DELAY)
    ):
        return JobResult.failed(
            f"the handler asked for a retry after {answer.after!r:.200}: expected a timedelta of at most 1000 years"
        )
    return answer


def encode_result(result: JobResult) -> str | None:
    """What it answered beside the outcome, as JSON. Raises what shows that it cannot be kept."""
    encoded = None if result.result is None else msgspec.json.encode(result.result).decode()
    length = len(encoded or "") + len(str(result.message or "")) + len(str(result.traceback or ""))
    if length > MAX_CHARACTERS:
        raise ValueError(f"the handler answered more than {MAX_CHARACTERS:,} characters")
    return encoded


def failure_of(error: BaseException) -> JobResult:
    """What an exception of a handler means."""
    return JobResult(Outcome.FAILED, shorten(_name(error)), traceback=shorten(_trace(error)))


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
