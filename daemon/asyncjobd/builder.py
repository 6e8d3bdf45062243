"""A fluent way to describe a new job, as AsyncJobBuilder is in Salesforce."""

from datetime import datetime, timedelta
from typing import Any, Self

from asyncjobd.job import NewJob, Status, current_job
from asyncjobd.result import minutes


class JobBuilder:
    """`JobBuilder("EmailSender").set_params({...}).set_schedule_time(t).build()`; durations: a number is minutes."""

    def __init__(self, job_name: str) -> None:
        self._columns: dict[str, Any] = {"job_name": job_name}

    def _set(self, **columns: Any) -> Self:
        self._columns.update(columns)
        return self

    def set_params(self, params: Any) -> Self:
        """Anything that encodes to a JSON value: dict, Struct, dataclass, ..."""
        return self._set(params=params)

    def set_status(self, status: Status) -> Self:
        """Queued if never set: due at schedule_time, at once without one. Hold keeps it until it is released."""
        return self._set(status=Status(status))

    def set_schedule_time(self, schedule_time: datetime | None) -> Self:
        """When it is due first, with its time zone; for a recursive job also where its grid begins."""
        if schedule_time is not None and schedule_time.tzinfo is None:
            raise ValueError(f"schedule_time {schedule_time} has no time zone: use datetime.now(UTC) or the like")
        return self._set(schedule_time=schedule_time)

    def set_priority(self, priority: int) -> Self:
        """Lower starts first; 0 if never set, -32768 to 32767."""
        if not -32768 <= priority <= 32767:
            raise ValueError(f"priority {priority} is not from -32768 to 32767")
        return self._set(priority=priority)

    def set_retry_interval(self, interval: timedelta | float | None) -> Self:
        """Between executions: after a failure, and from one to the next of a recursive job; None: the action's default,
        else 15 minutes."""
        return self._set(retry_interval=_positive("retry_interval", minutes(interval)))

    def set_max_execution_count(self, count: int | None) -> Self:
        """How often it is tried, of each time on its grid if it is recursive; None: the action's default, else 5."""
        if count is not None and count < 1:
            raise ValueError(f"max_execution_count {count} is less than 1")
        return self._set(max_execution_count=count)

    def set_is_recursive(self, is_recursive: bool | None) -> Self:
        """Whether it runs again at each time on its grid, until it answers `completed` or `fatal_error`; None: the
        action's default, else not."""
        return self._set(is_recursive=is_recursive)

    def set_timeout(self, timeout: timedelta | float | None) -> Self:
        """After which an execution is cancelled and counts as failed; None: the action's default, else never."""
        return self._set(timeout=_positive("timeout", minutes(timeout)))

    def set_parent_job_id(self, parent_id: int | None) -> Self:
        """If never set, the job in whose handler it is built."""
        return self._set(parent_id=parent_id)

    def set_unique_key(self, unique_key: str | None) -> Self:
        """At most one job of this key is Queued, In Progress or on Hold at a time."""
        return self._set(unique_key=unique_key)

    def set_traceparent(self, traceparent: str | None) -> Self:
        """Of the span that the job belongs to (W3C Trace Context); if never set, of the one that inserts it."""
        return self._set(traceparent=traceparent)

    def build(self) -> NewJob:
        """The job. Built inside a handler, it has the handler's job as its parent unless it was given one."""
        columns = self._columns
        if columns.get("parent_id") is None and (job := current_job.get(None)) is not None:
            columns = columns | {"parent_id": job.id}
        return NewJob(**columns)


def _positive(name: str, duration: timedelta | None) -> timedelta | None:
    if duration is not None and duration <= timedelta(0):
        raise ValueError(f"{name} {duration} is not more than zero")
    return duration
