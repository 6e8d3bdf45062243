"""The tables as models, in a MetaData of their own, so that nobody's `create_all` makes them."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    DateTime,
    Double,
    FetchedValue,
    ForeignKey,
    Identity,
    Integer,
    MetaData,
    SmallInteger,
    Text,
    TypeDecorator,
    func,
    literal_column,
)
from sqlalchemy.dialects.postgresql import ENUM, INTERVAL, JSONB, REAL
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from asyncjobd.job import Status
from asyncjobd.postgres.statement import SCHEMA

STATUS = ENUM(
    Status,
    name="status",
    schema=SCHEMA,
    create_type=False,
    values_callable=lambda kind: [each.value for each in kind],
)
TIME = DateTime(timezone=True)
BY_SERVER = FetchedValue()


class _Due(TypeDecorator[datetime]):
    """A time; None where it is infinite, which psycopg cannot read."""

    impl = TIME
    cache_ok = True

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.nullif(column, literal_column("'infinity'::timestamptz"), type_=TIME)


class Base(DeclarativeBase):
    metadata = MetaData(schema=SCHEMA)
    type_annotation_map = {  # noqa: RUF012
        str: Text,
        int: Integer,
        float: Double,
        datetime: TIME,
        timedelta: INTERVAL,
        list[int]: ARRAY(BigInteger),
        list[str]: ARRAY(Text),
        Status: STATUS,
    }


class Job(Base):
    """A job, column by column; see `asyncjobd help columns`. `due_at` is None while it waits for other jobs.

    A program may write the columns that clients write, such as `status`: PostgreSQL refuses the others.
    """

    __tablename__ = "job"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    job_name: Mapped[str]
    params: Mapped[Any] = mapped_column(JSONB, server_default=BY_SERVER)
    status: Mapped[Status] = mapped_column(server_default=BY_SERVER)
    schedule_time: Mapped[datetime | None]
    priority: Mapped[int] = mapped_column(SmallInteger, server_default=BY_SERVER)
    retry_interval: Mapped[timedelta | None]
    retry_backoff: Mapped[float | None]
    retry_interval_max: Mapped[timedelta | None]
    retry_jitter: Mapped[float | None]
    max_execution_count: Mapped[int | None]
    is_recursive: Mapped[bool | None]
    timeout: Mapped[timedelta | None]
    parent_id: Mapped[int | None] = mapped_column(BigInteger)
    unique_key: Mapped[str | None]
    debounce_key: Mapped[str | None]
    once_key: Mapped[str | None]
    limit_key: Mapped[str | None]
    traceparent: Mapped[str | None]
    waits_for: Mapped[list[int] | None]
    waits_for_children: Mapped[bool | None]
    when_failed: Mapped[Status | None]
    due_at: Mapped[datetime | None] = mapped_column(_Due, nullable=False, server_default=BY_SERVER)
    execution_count: Mapped[int] = mapped_column(server_default=BY_SERVER)
    execution_total: Mapped[int] = mapped_column(server_default=BY_SERVER)
    occurrence: Mapped[int] = mapped_column(BigInteger, server_default=BY_SERVER)
    progress: Mapped[float | None] = mapped_column(REAL)
    progress_message: Mapped[str | None]
    result: Mapped[Any | None] = mapped_column(JSONB)
    message: Mapped[str | None]
    traceback: Mapped[str | None]
    log: Mapped[str | None]
    last_execution_status: Mapped[str | None]
    last_execution_time: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=BY_SERVER)
    created_by: Mapped[str] = mapped_column(server_default=BY_SERVER)
    ordered_at: Mapped[datetime | None]
    ordered_by: Mapped[str | None]
    hold_reason: Mapped[str | None]
    waits_on: Mapped[int | None] = mapped_column(BigInteger)
    daemon_id: Mapped[int | None] = mapped_column(BigInteger)
    claim_token: Mapped[int | None] = mapped_column(BigInteger)
    stop_requested: Mapped[bool] = mapped_column(server_default=BY_SERVER)

    executions: Mapped[list["Execution"]] = relationship(
        back_populates="job", order_by="Execution.number", viewonly=True
    )


class Execution(Base):
    """An execution that did not end its job; the last one of an ended job stands in the job's own row."""

    __tablename__ = "execution"

    job_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(Job.id, ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    daemon_id: Mapped[int | None] = mapped_column(BigInteger)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime]
    status: Mapped[str]
    message: Mapped[str | None]
    traceback: Mapped[str | None]
    log: Mapped[str | None]

    job: Mapped[Job] = relationship(back_populates="executions", viewonly=True)


class Daemon(Base):
    """A running daemon."""

    __tablename__ = "daemon"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    name: Mapped[str]
    host: Mapped[str]
    boot_id: Mapped[str]
    pid: Mapped[int]
    process_start: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[str]
    actions: Mapped[list[str]]
    concurrency: Mapped[int]
    lease_seconds: Mapped[float]
    running: Mapped[int] = mapped_column(server_default=BY_SERVER)
    heartbeat: Mapped[int] = mapped_column(BigInteger, server_default=BY_SERVER)
    started_at: Mapped[datetime] = mapped_column(server_default=BY_SERVER)
    heartbeat_at: Mapped[datetime] = mapped_column(server_default=BY_SERVER)
    metrics: Mapped[Any | None] = mapped_column(JSONB)
    is_draining: Mapped[bool] = mapped_column(server_default=BY_SERVER)
