"""A fluent way to describe a new job, as AsyncJobBuilder is in Salesforce."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from asyncjobd.config.durations import LONGEST, require_timedelta
from asyncjobd.job import NewJob, Status, current_job

# The bounds are those of the table.
FIRST_TIME = datetime(1000, 1, 1, tzinfo=UTC)
LAST_TIME = datetime(9000, 1, 1, tzinfo=UTC)
SMALLINT = range(-(2**15), 2**15)
TRIES = range(1, 2**31)
BIGINT = range(-(2**63), 2**63)
MAX_WAITS_FOR = 10_000
MAX_KEY_SIZE = 500  # bytes


class JobBuilder:
    """Builds a `NewJob`: `JobBuilder("EmailSender").set_params({"to": "a@b.c"}).set_priority(-1).build()`.

    Durations are timedeltas. Only `set_retry_interval`, `set_retry_interval_max` and `set_timeout` also take a
    number, which is minutes, as in Salesforce. Setters of times, numbers and keys raise ValueError for a value
    that the table would refuse, and TypeError for one of another type.
    """

    def __init__(self, job_name: str) -> None:
        self._columns: dict[str, Any] = {"job_name": job_name}

    def _set(self, **columns: Any) -> Self:
        self._columns.update(columns)
        return self

    def set_params(self, params: Any) -> Self:
        """Set the params: anything that encodes to JSON, a dict, a Struct, a dataclass, ... Default: {}.

        NaN and infinities become null, as JSON has no such numbers.
        """
        return self._set(params=params)

    def set_status(self, status: Status) -> Self:
        """Set the status. Default: Queued, which starts at schedule_time, or at once without one. Hold waits
        for a release.
        """
        return self._set(status=Status(status))

    def set_schedule_time(self, schedule_time: datetime | None) -> Self:
        """Set when the job is due first, with its time zone; also the start of a grid. Default: now."""
        return self._set(schedule_time=None if schedule_time is None else _time(schedule_time))

    def set_priority(self, priority: int) -> Self:
        """Set the priority, from -32768 to 32767. Lower ones start first. Default: 0."""
        return self._set(priority=_whole("priority", priority, SMALLINT))

    def set_retry_interval(self, interval: timedelta | float | None) -> Self:
        """Set the time between executions: after a failure, and on the grid of a recursive job.

        A number is minutes. Default: the action's, else 15 minutes.
        """
        return self._set(retry_interval=_duration("retry_interval", interval))

    def set_retry_backoff(self, factor: float | None) -> Self:
        """Set what the retry_interval is multiplied by from one retry to the next, from 1 to 1000.

        Default: the action's, else 1.
        """
        return self._set(retry_backoff=_within("retry_backoff", factor, 1, 1000))

    def set_retry_interval_max(self, interval: timedelta | float | None) -> Self:
        """Set the longest time from a failure to its retry. A number is minutes.

        Default: the action's, else 1000 years.
        """
        return self._set(retry_interval_max=_duration("retry_interval_max", interval))

    def set_retry_jitter(self, share: float | None) -> Self:
        """Set by what share of its delay, from 0 to 1, a retry may come earlier, so that jobs that have failed
        together do not come back together. Default: the action's, else 0.
        """
        return self._set(retry_jitter=_within("retry_jitter", share, 0, 1))

    def set_max_execution_count(self, count: int | None) -> Self:
        """Set how often the job is tried; a recursive one, how often for each time on its grid.

        Default: the action's, else 5.
        """
        return self._set(
            max_execution_count=None if count is None else _whole("max_execution_count", count, TRIES)
        )

    def set_is_recursive(self, is_recursive: bool | None) -> Self:
        """Set whether the job runs at each time on its grid, until it returns `completed` or `fatal_error`.

        Default: the action's, else False.
        """
        return self._set(is_recursive=is_recursive)

    def set_timeout(self, timeout: timedelta | float | None) -> Self:
        """Set the time (a number is minutes) after which an execution is cancelled, and counts as failed.

        Default: the action's, else none.
        """
        return self._set(timeout=_duration("timeout", timeout))

    def set_parent_job_id(self, parent_id: int | None) -> Self:
        """Set the parent. Default: the job in whose handler this one is built, else none."""
        return self._set(parent_id=None if parent_id is None else _whole("parent_id", parent_id, BIGINT))

    def set_unique_key(self, unique_key: str | None) -> Self:
        """Set a key of which at most one job is Queued, In Progress or on Hold at a time. Default: none."""
        return self._set(unique_key=_key("unique_key", unique_key))

    def set_once_key(self, once_key: str | None) -> Self:
        """Set a key that only one job has, until retention deletes that one. Default: none."""
        return self._set(once_key=_key("once_key", once_key))

    def set_debounce(
        self, debounce_key: str | None, delay: timedelta = timedelta(0), *, at_most: timedelta | None = None
    ) -> Self:
        """Start the job `delay` after the last insert with this key, but at most `at_most` after the first.

        While a job with the key has not started, an insert gives that one its params and a new time, and makes no
        other job. Default: no key.
        """
        if delay < timedelta(0):
            raise ValueError(f"debounce delay {delay} is less than zero")
        if delay > LONGEST:
            raise ValueError(f"debounce delay {delay} is more than 1000 years of 360 days")
        if at_most is not None and at_most < delay:
            raise ValueError(f"debounce at_most {at_most} is less than the delay {delay}")
        return self._set(
            debounce_key=_key("debounce_key", debounce_key), delay=delay or None, at_most=at_most
        )

    def set_limit_key(self, limit_key: str | None) -> Self:
        """Set whom the job counts for in the limits per key of its action, and takes turns with. Default: nobody."""
        return self._set(limit_key=_key("limit_key", limit_key, at_least=1))

    def set_waits_for(self, job_ids: Sequence[int] | None) -> Self:
        """Set the ids of jobs that must be Completed or Failed before it starts; at most 10,000. Default: none."""
        if job_ids is None:
            return self._set(waits_for=None)
        if len(job_ids) > MAX_WAITS_FOR:
            raise ValueError(f"waits_for has {len(job_ids)} ids, more than {MAX_WAITS_FOR}")
        return self._set(waits_for=[_whole("waits_for", job_id, BIGINT) for job_id in job_ids])

    def set_waits_for_children(self, waits: bool | None = True) -> Self:
        """Set whether it starts only after all its children have ended. Default: False."""
        return self._set(waits_for_children=waits)

    def set_when_failed(self, status: Status | None) -> Self:
        """Set what becomes of it once a job that it waits for is Failed.

        Failed (the default): it fails, too. Queued: it goes on waiting for the others, then runs. In Progress: it
        runs at once. Hold: it is held until a person decides. Completed: it is skipped.
        """
        return self._set(when_failed=None if status is None else Status(status))

    def set_traceparent(self, traceparent: str | None) -> Self:
        """Set the span that the job belongs to (W3C Trace Context). Default: the one that inserts it."""
        return self._set(traceparent=traceparent)

    def build(self) -> NewJob:
        """Return the job."""
        columns = self._columns
        if columns.get("parent_id") is None and (job := current_job.get(None)) is not None:
            columns = columns | {"parent_id": job.id}
        return NewJob(**columns)


def _time(value: datetime) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError(
            f"schedule_time is {value!r}, which is no datetime: write datetime(2030, 1, 1, tzinfo=UTC)"
        )
    if value.tzinfo is None:
        raise ValueError(f"schedule_time {value} has no time zone: use datetime.now(UTC) or the like")
    if not FIRST_TIME <= value <= LAST_TIME:
        raise ValueError(f"schedule_time {value} is not between the years 1000 and 9000")
    return value


def _within(name: str, value: float | None, least: float, most: float) -> float | None:
    if value is None:
        return None
    if not hasattr(value, "__float__"):
        raise TypeError(f"{name} is {value!r}, which is no number")
    if not least <= value <= most:
        raise ValueError(f"{name} {value} is not from {least} to {most}")
    return float(value)


def _whole(name: str, value: int, bounds: range) -> int:
    """Return a number that a driver may have given as Decimal, or numpy as an integer of its own."""
    try:
        number = int(value) if hasattr(value, "__int__") else None
    except (ValueError, OverflowError):  # not a number, infinity
        number = None
    if number is None or number != value:
        raise TypeError(f"{name} is {value!r}, which is no whole number")
    if number not in bounds:
        raise ValueError(f"{name} {number} is not from {bounds[0]} to {bounds[-1]}")
    return number


def _duration(name: str, value: timedelta | float | None) -> timedelta | None:
    if value is None:
        return None
    try:
        duration = (
            timedelta(minutes=value) if isinstance(value, int | float) else require_timedelta(name, value)
        )
    except OverflowError:
        duration = timedelta.max
    if not timedelta(0) < duration <= LONGEST:
        raise ValueError(f"{name} {value} is not more than zero and at most 1000 years of 360 days")
    return duration


def _key(name: str, key: str | None, at_least: int = 0) -> str | None:
    if not isinstance(key, str | None):
        raise TypeError(f"{name} is {key!r}, which is no str")
    size = 0 if key is None else len(key.encode())
    if size > MAX_KEY_SIZE:
        raise ValueError(f"{name} has {size} bytes, at most {MAX_KEY_SIZE}")
    if key is not None and size < at_least:
        raise ValueError(f"{name} is empty: leave it out")
    return key
