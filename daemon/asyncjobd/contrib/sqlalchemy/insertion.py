"""Insert jobs in the transaction of a SQLAlchemy session."""

from collections.abc import Awaitable, Sequence
from functools import cache
from typing import overload

from sqlalchemy import Connection, TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from asyncjobd.contrib.sqlalchemy.models import Job
from asyncjobd.insertion import Ids, Query, insertions
from asyncjobd.job import NewJob
from asyncjobd.postgres.statement import SCHEMA, Style, styled_query


@overload
def enqueue(session: Session, job: NewJob) -> int | None: ...
@overload
def enqueue(session: AsyncSession, job: NewJob) -> Awaitable[int | None]: ...
def enqueue(session: Session | AsyncSession, job: NewJob) -> int | Awaitable[int | None] | None:
    """Insert a job and return its id; None if its unique_key or its once_key is taken.

    With a debounce_key it is the id of the job that waits. The job exists once the session's transaction commits.
    What the session has not flushed is not flushed by this. Raise ValueError where keys do not go together, and
    sqlalchemy.exc.DBAPIError where PostgreSQL refuses the job.

    Args:
        session: The session; an AsyncSession makes the return value an awaitable.
        job: The job.
    """
    if isinstance(session, AsyncSession):
        return session.run_sync(lambda inner: _enqueue(inner, [job])[0])
    return _enqueue(session, [job])[0]


@overload
def enqueue_many(session: Session, jobs: Sequence[NewJob]) -> Ids: ...
@overload
def enqueue_many(session: AsyncSession, jobs: Sequence[NewJob]) -> Awaitable[Ids]: ...
def enqueue_many(session: Session | AsyncSession, jobs: Sequence[NewJob]) -> Ids | Awaitable[Ids]:
    """Insert all jobs, and return what `enqueue` does for each, in their order."""
    if isinstance(session, AsyncSession):
        return session.run_sync(_enqueue, jobs)
    return _enqueue(session, jobs)


def _enqueue(session: Session, jobs: Sequence[NewJob]) -> Ids:
    ids: Ids = [None] * len(jobs)
    connection = session.connection(bind_arguments={"mapper": Job})
    schema = _schema(connection)
    for each in insertions(jobs):
        rows = connection.execute(_statement(each.query, schema), each.arguments).mappings().all()
        each.put_ids([dict(row) for row in rows], ids)
    return ids


def _schema(connection: Connection) -> str:
    """Return the schema that the jobs are in, as the engine translates it."""
    translated = connection.get_execution_options().get("schema_translate_map") or {}
    return str(translated.get(SCHEMA, SCHEMA))


@cache
def _statement(query: Query, schema: str) -> TextClause:
    return text(styled_query(query, schema, Style.NAMED))
