"""The tables as models. They are unmanaged: Django's migrations leave them alone.

PostgreSQL says who may write what: a program may write the columns that clients write, such as `status`.
"""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models

from asyncjobd.contrib.django.schema import schema
from asyncjobd.job import Status

STATUSES = [(each.value, each.value) for each in Status]


def _in_schema(name: str) -> str:
    """Return a name that Django, which knows no schemas, takes as it is."""
    return f'"{schema()}"."{name}"'


def _status(**options: Any) -> Any:
    """Return the field of a status, whose updates cast expressions: PostgreSQL itself casts only a text to its enum.

    It is no class of its own, as Django refuses expressions that mix classes of fields.
    """
    field: Any = models.CharField(max_length=11, choices=STATUSES, **options)
    field.get_placeholder = lambda _value, _compiler, _connection: f"%s::{_in_schema('status')}"
    return field


def _params() -> Any:
    """Return the field of params. It saves None as null of JSON, as the column is never null."""
    field: Any = models.JSONField(default=dict)
    prepare = field.get_db_prep_save
    field.get_db_prep_save = lambda value, connection: prepare(
        models.Value(None, field) if value is None else value, connection
    )
    return field


class DueField(models.DateTimeField):  # type: ignore[type-arg]  # Django's own takes no arguments
    """A time; None where it is infinite, which psycopg cannot read."""

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        return f"nullif({sql}, 'infinity')", params


class Job(models.Model):
    """A job, column by column; see `asyncjobd help columns`. `due_at` is None while it waits for other jobs."""

    id = models.BigAutoField(primary_key=True)
    job_name = models.TextField()
    params = _params()
    status = _status(default=None)
    schedule_time = models.DateTimeField(null=True)
    priority = models.SmallIntegerField(default=0)
    retry_interval = models.DurationField(null=True)
    retry_backoff = models.FloatField(null=True)
    retry_interval_max = models.DurationField(null=True)
    retry_jitter = models.FloatField(null=True)
    max_execution_count = models.IntegerField(null=True)
    is_recursive = models.BooleanField(null=True)
    timeout = models.DurationField(null=True)
    parent_id = models.BigIntegerField(null=True)
    unique_key = models.TextField(null=True)
    debounce_key = models.TextField(null=True)
    once_key = models.TextField(null=True)
    limit_key = models.TextField(null=True)
    traceparent = models.TextField(null=True)
    waits_for = ArrayField(models.BigIntegerField(), null=True)
    waits_for_children = models.BooleanField(null=True)
    when_failed = _status(null=True)
    due_at = DueField(default=None)
    execution_count = models.IntegerField(default=None)
    execution_total = models.IntegerField(default=None)
    occurrence = models.BigIntegerField(default=None)
    progress = models.FloatField(null=True)
    progress_message = models.TextField(null=True)
    result = models.JSONField(null=True)
    message = models.TextField(null=True)
    traceback = models.TextField(null=True)
    log = models.TextField(null=True)
    last_execution_status = models.TextField(null=True)
    last_execution_time = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=None)
    created_by = models.TextField(default=None)
    ordered_at = models.DateTimeField(null=True)
    ordered_by = models.TextField(null=True)
    hold_reason = models.TextField(null=True)
    waits_on = models.BigIntegerField(null=True)
    daemon_id = models.BigIntegerField(null=True)
    claim_token = models.BigIntegerField(null=True)
    stop_requested = models.BooleanField(default=None)

    class Meta:
        managed = False
        db_table = _in_schema("job")

    def __str__(self) -> str:
        return f"job {self.pk}, {self.job_name}"


class Execution(models.Model):
    """An execution that did not end its job; the last one of an ended job stands in the job's own row."""

    pk = models.CompositePrimaryKey("job_id", "number")
    job_id: int
    job = models.ForeignKey(Job, models.DO_NOTHING, related_name="executions")
    number = models.IntegerField()
    daemon_id = models.BigIntegerField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField()
    status = models.TextField()
    message = models.TextField(null=True)
    traceback = models.TextField(null=True)
    log = models.TextField(null=True)

    class Meta:
        managed = False
        db_table = _in_schema("execution")
        ordering = ("number",)

    def __str__(self) -> str:
        return f"execution {self.number} of job {self.job_id}"


class Daemon(models.Model):
    """A running daemon."""

    id = models.BigIntegerField(primary_key=True)
    name = models.TextField()
    host = models.TextField()
    boot_id = models.TextField()
    pid = models.IntegerField()
    process_start = models.BigIntegerField()
    version = models.TextField()
    actions = ArrayField(models.TextField())
    concurrency = models.IntegerField()
    lease_seconds = models.FloatField()
    running = models.IntegerField()
    heartbeat = models.BigIntegerField()
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()
    metrics = models.JSONField(null=True)
    is_draining = models.BooleanField()

    class Meta:
        managed = False
        db_table = _in_schema("daemon")

    def __str__(self) -> str:
        return f"daemon {self.name} on {self.host}"
