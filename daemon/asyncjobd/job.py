"""Jobs: `NewJob` is what a client inserts, `Job` a row of the table, `ClaimedJob` what a daemon runs."""

import hashlib
from contextvars import ContextVar
from datetime import datetime, timedelta
from enum import StrEnum
from sys import getsizeof
from typing import Any

import msgspec

LITTLE = 16_000  # bytes of params, as the query jobs/claim_jobs has it


class Status(StrEnum):
    """The status of a job. In Progress it is ready until a daemon has claimed it, and then running."""

    QUEUED = "Queued"
    IN_PROGRESS = "In Progress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    HOLD = "Hold"

    @property
    def is_final(self) -> bool:
        return self in {Status.COMPLETED, Status.FAILED}


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job to be inserted. None stands for the action's default when the job starts, and then for the
    framework's.

    `params` is anything that encodes to a JSON value. `schedule_time` must have a time zone; in its place, `delay`
    is the time from the INSERT to it. `at_most` goes with a `debounce_key`: how long after its first request the
    job is due at the latest. Without a `traceparent` (W3C Trace Context) the client takes that of the active span,
    or else that of the job in whose handler it is used.
    """

    job_name: str
    params: Any = msgspec.field(default_factory=dict)
    status: Status = Status.QUEUED
    schedule_time: datetime | None = None
    delay: timedelta | None = None
    priority: int = 0
    retry_interval: timedelta | None = None
    retry_backoff: float | None = None
    retry_interval_max: timedelta | None = None
    retry_jitter: float | None = None
    max_execution_count: int | None = None
    is_recursive: bool | None = None
    timeout: timedelta | None = None
    parent_id: int | None = None
    unique_key: str | None = None
    debounce_key: str | None = None
    once_key: str | None = None
    limit_key: str | None = None
    traceparent: str | None = None
    waits_for: list[int] | None = None
    waits_for_children: bool | None = None
    when_failed: Status | None = None
    at_most: timedelta | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A row of asyncjob.job, column by column. `due_at` is None while it waits for other jobs."""

    id: int
    job_name: str
    params: Any
    status: Status
    schedule_time: datetime | None
    priority: int
    retry_interval: timedelta | None
    retry_backoff: float | None
    retry_interval_max: timedelta | None
    retry_jitter: float | None
    max_execution_count: int | None
    is_recursive: bool | None
    timeout: timedelta | None
    parent_id: int | None
    unique_key: str | None
    debounce_key: str | None
    once_key: str | None
    limit_key: str | None
    traceparent: str | None
    waits_for: list[int] | None
    waits_for_children: bool | None
    when_failed: Status | None
    due_at: datetime | None
    execution_count: int
    execution_total: int
    occurrence: int
    progress: float | None
    progress_message: str | None
    result: Any
    message: str | None
    traceback: str | None
    log: str | None
    last_execution_status: str | None
    last_execution_time: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    created_at: datetime
    created_by: str
    ordered_at: datetime | None
    ordered_by: str | None
    hold_reason: str | None
    waits_on: int | None
    daemon_id: int | None
    claim_token: int | None
    stop_requested: bool

    @property
    def is_running(self) -> bool:
        return self.daemon_id is not None

    @property
    def is_stopping(self) -> bool:
        """Return whether a client has stopped it, and its handler has not ended yet."""
        return self.is_running and self.stop_requested

    @property
    def is_settled(self) -> bool:
        """Return whether it is Completed or Failed, and its handler has ended."""
        return self.status.is_final and not self.is_running


class ClaimedJob(msgspec.Struct, frozen=True, gc=False):
    """A job as its execution sees it: the row that jobs/claim_jobs returns, with every default filled in.

    `params` is JSON text. `occurrence` counts from 0: see `idempotency_key`. `created_at` is in seconds since
    1970 (UTC). `timeout` (None: no limit) and `waited`, the time from due to claimed, are in seconds.
    `runs_alone` is set if the job was lost with its daemon before: no other such job runs beside it on one
    daemon.
    """

    id: int
    job_name: str
    params: str
    execution_count: int
    execution_total: int
    max_execution_count: int
    is_recursive: bool
    priority: int
    parent_id: int | None
    unique_key: str | None
    limit_key: str | None
    schedule_time: datetime | None
    created_by: str
    occurrence: int
    traceparent: str | None
    created_at: float
    timeout: float | None
    waited: float
    runs_alone: bool = False

    @property
    def size(self) -> int:
        """Return the bytes of memory that its params take; 0 if they are few."""
        size = getsizeof(self.params)
        return size if size > LITTLE else 0

    @property
    def as_logged(self) -> dict[str, Any]:
        """Return the keys that every line of the log about it has."""
        return {"job_id": self.id, "job_name": self.job_name, "execution_count": self.execution_count}

    @property
    def idempotency_key(self) -> str:
        """Return a key that all tries of one occurrence share, by which another system can tell a repetition.

        An occurrence is one time on the grid of a recursive job, or a one-shot job until a client runs it
        again after its end. Other params make another key, and so does a row of the same id in another
        database.
        """
        digest = hashlib.sha256(f"{self.job_name}\0{self.params}\0{self.created_at}".encode()).hexdigest()
        return f"{self.id}-{self.occurrence}-{digest[:16]}"


current_job: ContextVar[ClaimedJob] = ContextVar("asyncjobd_job")  # the job whose handler runs here
