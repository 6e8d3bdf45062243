"""A job: to be inserted (`NewJob`), as a row (`Job`), and as claimed by a daemon (`ClaimedJob`)."""

import hashlib
from contextvars import ContextVar
from datetime import datetime, timedelta
from enum import StrEnum
from sys import getsizeof
from typing import Any

import msgspec

SMALL_PARAMS_BYTES = 16_000  # the size up to which params are not counted, also by the query jobs/claim_jobs


class Status(StrEnum):
    """The status of a job, as in the column `status`."""

    QUEUED = "Queued"
    IN_PROGRESS = "In Progress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    HOLD = "Hold"

    @property
    def is_final(self) -> bool:
        """True for Completed and Failed."""
        return self in {Status.COMPLETED, Status.FAILED}


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job to be inserted.

    A field that is None gets the default of the action, else of asyncjobd, when the job starts. `JobBuilder`
    explains the fields, and checks them.

    Attributes:
        params: Anything that encodes to a JSON value. Default: {}.
        schedule_time: When the job is due first, with its time zone. Default: at once.
        traceparent: The span that the job belongs to (W3C Trace Context). Default: the active span of the
            code that inserts it, else the span of the job whose handler inserts it.
    """

    job_name: str
    params: Any = msgspec.field(default_factory=dict)
    status: Status = Status.QUEUED
    schedule_time: datetime | None = None
    priority: int = 0
    retry_interval: timedelta | None = None
    max_execution_count: int | None = None
    is_recursive: bool | None = None
    timeout: timedelta | None = None
    parent_id: int | None = None
    unique_key: str | None = None
    traceparent: str | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table asyncjob.job, with a field for each column."""

    id: int
    job_name: str
    params: Any
    status: Status
    schedule_time: datetime | None
    priority: int
    retry_interval: timedelta | None
    max_execution_count: int | None
    is_recursive: bool | None
    timeout: timedelta | None
    parent_id: int | None
    unique_key: str | None
    traceparent: str | None
    due_at: datetime
    execution_count: int
    execution_total: int
    occurrence: int
    progress: float | None
    progress_message: str | None
    result: Any
    message: str | None
    traceback: str | None
    last_execution_status: str | None
    last_execution_time: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    created_at: datetime
    created_by: str
    hold_reason: str | None
    daemon_id: int | None
    claim_token: int | None
    stop_requested: bool

    @property
    def is_running(self) -> bool:
        """True while a daemon has claimed the job."""
        return self.daemon_id is not None

    @property
    def is_stopping(self) -> bool:
        """True if a client has stopped the job, and its handler has not ended yet."""
        return self.is_running and self.stop_requested

    @property
    def is_settled(self) -> bool:
        """True if the job is Completed or Failed, and no handler works on it any more."""
        return self.status.is_final and not self.is_running


class ClaimedJob(msgspec.Struct, frozen=True, gc=False):
    """A job claimed by a daemon, with every default filled in.

    Attributes:
        params: The JSON text of the row.
        occurrence: The number of the occurrence, from 0; see `idempotency_key`.
        created_at: When the row was inserted, in seconds since 1970 (UTC).
        timeout: The limit of an execution in seconds; None means no limit.
        waited: The time from when the job was due until it was claimed, in seconds.
        runs_alone: The job was lost with its daemon before; no other such job runs beside it in this daemon.
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
        """The memory of the params in bytes; 0 up to SMALL_PARAMS_BYTES."""
        size = getsizeof(self.params)
        return size if size > SMALL_PARAMS_BYTES else 0

    @property
    def as_logged(self) -> dict[str, Any]:
        """The fields that every log line about the job has."""
        return {"job_id": self.id, "job_name": self.job_name, "execution_count": self.execution_count}

    @property
    def idempotency_key(self) -> str:
        """The key by which another system recognises a repetition: equal for all tries of one occurrence.

        Each time on the grid of a recursive job is an occurrence. A one-shot job has one, and another one
        each time a client runs it again after its end. Other params, or a row of the same id in another
        database, have another key.
        """
        digest = hashlib.sha256(f"{self.job_name}\0{self.params}\0{self.created_at}".encode()).hexdigest()
        return f"{self.id}-{self.occurrence}-{digest[:16]}"


current_job: ContextVar[ClaimedJob] = ContextVar("asyncjobd_job")  # the job whose handler runs here
