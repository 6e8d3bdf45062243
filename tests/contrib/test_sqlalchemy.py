"""The models are the tables, and Alembic leaves the tables alone."""

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    Table,
    case,
    cast,
    create_engine,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import async_scoped_session, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from sqlalchemy.pool import NullPool

from asyncjobd import JobBuilder, NewJob, Status
from asyncjobd.config.model import DatabaseConfig
from asyncjobd.contrib.sqlalchemy import Daemon, Execution, Job, enqueue, enqueue_many, include_name
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.schema.migrate import migrate
from tests.conftest import NewDaemon, NewDatabase
from tests.contrib.columns import listed_columns
from tests.contrib.libraries import url
from tests.support.actions import action
from tests.support.handlers import raises


@pytest.fixture
def engine(dsn: str) -> Engine:
    return create_engine(url(dsn, "psycopg"), poolclass=NullPool)


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


def test_models_have_the_columns_of_the_tables() -> None:
    ours = {
        f"{table.name}.{column.name}": (written(column), column.nullable)
        for table in Job.metadata.sorted_tables
        for column in table.columns
    }
    assert ours == listed_columns()


def written(column: Column[Any]) -> str:
    """Return the type of a column as PostgreSQL writes it."""
    return str(column.type.compile(postgresql.dialect())).lower()  # type: ignore[no-untyped-call]


def test_rows_are_read_as_models(session: Session) -> None:
    job_id = enqueue(session, JobBuilder("a").set_params({"b": [1]}).set_status(Status.HOLD).build())
    waits = enqueue(session, JobBuilder("a").set_waits_for([job_id or 0]).build())
    session.commit()
    job = session.get_one(Job, job_id)
    assert (job.job_name, job.params, job.status, job.executions) == ("a", {"b": [1]}, Status.HOLD, [])
    assert (session.get_one(Job, waits).waits_for, session.get_one(Job, waits).due_at) == ([job_id], None)
    assert session.scalars(select(Daemon)).all() == []


def test_job_is_inserted_and_ordered_as_a_model(session: Session) -> None:
    session.add(job := Job(job_name="a", params={"b": 1}))
    session.commit()
    assert (job.status, job.max_execution_count, job.execution_count) == (Status.IN_PROGRESS, None, 0)
    job.status = Status.HOLD
    session.commit()
    assert session.scalars(select(Job.ordered_by)).one() == "postgres"


def test_scoped_sessions_insert_in_their_transaction(engine: Engine) -> None:
    scoped = scoped_session(sessionmaker(engine))
    first: int | None = enqueue(scoped, NewJob(job_name="a"))
    assert scoped.get_one(Job, first) in scoped
    assert len(enqueue_many(scoped, [NewJob(job_name="a")] * 2)) == 2
    scoped.commit()
    scoped.remove()


@pytest.mark.anyio
async def test_asynchronous_scoped_sessions_insert_in_their_transaction(dsn: str) -> None:
    engine = create_async_engine(url(dsn, "asyncpg"), poolclass=NullPool)
    scoped = async_scoped_session(async_sessionmaker(engine), asyncio.current_task)
    first: int | None = await enqueue(scoped, NewJob(job_name="a"))
    assert await scoped.get_one(Job, first) in scoped
    assert len(await enqueue_many(scoped, [NewJob(job_name="a")] * 2)) == 2
    await scoped.commit()
    await scoped.remove()


def test_status_is_written_by_an_expression_of_its_type(session: Session) -> None:
    job_id = enqueue(session, NewJob(job_name="a"))
    status = case((Job.priority == 0, Status.HOLD), else_=Status.FAILED)
    session.execute(update(Job).values(status=cast(status, Job.status.type)))
    assert session.get_one(Job, job_id).status == Status.HOLD


def test_executions_belong_to_their_job(session: Session, start_daemon: NewDaemon) -> None:
    daemon = start_daemon(
        actions={"raises": action(raises, max_execution_count=2, retry_interval="1 ms")}
    ).ready()
    job_id = enqueue(session, NewJob(job_name="raises"))
    session.commit()
    daemon.wait_for("job.failed", job_id=job_id)
    (execution,) = session.scalars(select(Execution)).all()
    assert (execution.status, execution.job, execution.job.status) == (
        "failed",
        session.get(Job, job_id),
        "Failed",
    )
    assert [daemon.name for daemon in session.scalars(select(Daemon))] == ["test"]


@pytest.mark.anyio
async def test_schema_of_another_name_is_translated(new_empty_database: NewDatabase) -> None:
    dsn = new_empty_database()
    await migrate(Database(DatabaseConfig(dsn=dsn, schema="jobs")))
    translated = {"schema_translate_map": {"asyncjob": "jobs"}}
    engine = create_engine(url(dsn, "psycopg"), poolclass=NullPool, execution_options=translated)
    with Session(engine) as session:
        job_id = enqueue(session, NewJob(job_name="a"))
        assert session.get_one(Job, job_id).status is Status.IN_PROGRESS
    assert changes(engine, schema="jobs") == ["add_table"]


def changes(engine: Engine, schema: str = "asyncjob") -> list[str]:
    """Return what Alembic would do, for a program with one table that does not exist yet."""
    metadata = MetaData()
    Table("invoice", metadata, Column("id", Integer, primary_key=True))
    settings = {"include_schemas": True, "include_name": partial(include_name, schema=schema)}
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=settings)
        return [change[0] for change in compare_metadata(context, metadata)]


def test_alembic_leaves_the_tables_alone(engine: Engine) -> None:
    assert changes(engine) == ["add_table"]
    with engine.begin() as connection:
        connection.execute(text("create table invoice (id integer primary key)"))
    assert changes(engine) == []
    assert "remove_table" in changes(engine, schema="none")  # what it guards against
