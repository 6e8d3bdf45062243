"""Insert jobs in the transaction of a SQLAlchemy session."""

from collections.abc import Awaitable, Sequence
from functools import cache
from typing import Any, overload

from sqlalchemy import Connection, TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session
from sqlalchemy.orm import Session, scoped_session

from asyncjobd.contrib.sqlalchemy.models import Job
from asyncjobd.insertion import Ids, Query, insertions
from asyncjobd.job import NewJob
from asyncjobd.postgres.statement import SCHEMA, Style, styled_query

AnySession = Session | scoped_session[Any]
AnyAsyncSession = AsyncSession | async_scoped_session[Any]


@overload
def enqueue(session: AnySession, job: NewJob) -> int | None: ...
@overload
def enqueue(session: AnyAsyncSession, job: NewJob) -> Awaitable[int | None]: ...
def enqueue(session: AnySession | AnyAsyncSession, job: NewJob) -> int | Awaitable[int | None] | None:
    """Insert a job and return its id; None if its unique_key or its once_key is taken.

    With a debounce_key it is the id of the job that waits. The job exists once the session's transaction commits.
    What the session has not flushed is not flushed by this. Raise ValueError where keys do not go together, and
    sqlalchemy.exc.DBAPIError where PostgreSQL refuses the job.

    Args:
        session: The session, or a scoped one; an AsyncSession makes the return value an awaitable.
        job: The job.
    """
    session = _unscoped(session)
    if isinstance(session, AsyncSession):
        return session.run_sync(lambda inner: _enqueue(inner, [job])[0])
    return _enqueue(session, [job])[0]


@overload
def enqueue_many(session: AnySession, jobs: Sequence[NewJob]) -> Ids: ...
@overload
def enqueue_many(session: AnyAsyncSession, jobs: Sequence[NewJob]) -> Awaitable[Ids]: ...
def enqueue_many(session: AnySession | AnyAsyncSession, jobs: Sequence[NewJob]) -> Ids | Awaitable[Ids]:
    """Insert all jobs, and return what `enqueue` does for each, in their order."""
    session = _unscoped(session)
    if isinstance(session, AsyncSession):
        return session.run_sync(_enqueue, jobs)
    return _enqueue(session, jobs)


def _unscoped(session: AnySession | AnyAsyncSession) -> Session | AsyncSession:
    """Return the session itself: of a scoped one, that of the caller's scope."""
    return session() if isinstance(session, scoped_session | async_scoped_session) else session


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
