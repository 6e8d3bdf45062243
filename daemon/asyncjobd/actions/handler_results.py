"""The conversion of what a handler returns or raises into a `JobResult`."""

import traceback
from datetime import timedelta

import msgspec

from asyncjobd.actions.exceptions import ExceptionRules
from asyncjobd.config.durations import LONGEST
from asyncjobd.params import ParamsError
from asyncjobd.postgres.outage import named
from asyncjobd.postgres.text import shorten
from asyncjobd.result import JobResult, Outcome

# The longest result, message and traceback together; PostgreSQL refuses statements of 1 GB.
MAX_RESULT_CHARACTERS = 100_000_000

# The outcomes after which a handler's transaction commits; any other rolls it back.
COMMITTING_OUTCOMES = {Outcome.SUCCESS, Outcome.COMPLETED}
HANDLER_OUTCOMES = COMMITTING_OUTCOMES | {Outcome.RETRY_LATER, Outcome.FAILED, Outcome.FATAL_ERROR}
SUCCESS = JobResult.success()


def as_result(returned: object) -> JobResult:
    """Return the result that the return value of a handler stands for.

    None is a success. A value that is no valid JobResult is a failed result whose message says so.
    """
    if returned is None:
        return SUCCESS
    if not isinstance(returned, JobResult) or returned.outcome not in HANDLER_OUTCOMES:
        return JobResult.failed(f"the handler returned {returned!r:.200}: expected a JobResult or None")
    after = returned.after
    if not (after is None or (isinstance(after, timedelta) and after <= LONGEST)):
        return JobResult.failed(
            f"the handler asked for a retry after {after!r:.200}: "
            "expected a timedelta of at most 1000 years of 360 days"
        )
    return returned


def encode_result(result: JobResult) -> str | None:
    """Return the value that a handler returned beside the outcome as JSON, or None if there is none.

    Raise an exception if the value cannot be encoded, or ValueError if the texts together are too long to
    store.
    """
    try:
        encoded = None if result.result is None else msgspec.json.encode(result.result).decode()
    except UnicodeEncodeError as error:
        raise ValueError(f"the handler returned text that is no Unicode: {error.object!a:.200}") from None
    length = len(encoded or "") + len(str(result.message or "")) + len(str(result.traceback or ""))
    if length > MAX_RESULT_CHARACTERS:
        raise ValueError(f"the handler returned more than {MAX_RESULT_CHARACTERS:,} characters")
    return encoded


def failure_from(error: BaseException, rules: ExceptionRules) -> JobResult:
    """Return the result of an exception with its text and, unless it is of the params, its traceback."""
    outcome = Outcome.FATAL_ERROR if is_fatal(error, rules) else Outcome.FAILED
    if issubclass(type(error), ParamsError):
        return JobResult(outcome, shorten(str(error)))
    return JobResult(outcome, shorten(_summary(error)), traceback=shorten(_traceback(error)))


def is_fatal(error: BaseException, rules: ExceptionRules) -> bool:
    """Return whether no retry can help, by the rules of an action."""
    try:
        return rules.is_fatal(error)
    except Exception:  # a metaclass or a group of the handler's own may fail
        return False


def _summary(error: BaseException) -> str:
    try:
        return named(error)
    except Exception:  # a __str__ of the handler's own may fail
        return type(error).__name__


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception as unprintable:
        return f"{type(error).__name__}, whose traceback cannot be printed: {type(unprintable).__name__}"
