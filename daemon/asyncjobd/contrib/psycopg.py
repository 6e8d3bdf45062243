"""Insert jobs in the transaction of a psycopg 3 connection.

    from asyncjobd.contrib.psycopg import enqueue

    with connection.transaction():
        connection.execute("insert into invoice ...")
        enqueue(connection, JobBuilder("SendInvoice").build())

With an AsyncConnection the calls are awaited.
"""

from collections.abc import Awaitable, Sequence
from contextlib import nullcontext
from typing import Any, overload

from psycopg import AsyncConnection, AsyncCursor, Connection, Cursor
from psycopg.rows import dict_row

from asyncjobd.insertion import Ids, Insertion, insertions
from asyncjobd.job import NewJob
from asyncjobd.postgres.statement import SCHEMA, Style

__all__ = ["enqueue", "enqueue_many"]


@overload
def enqueue(connection: Connection[Any], job: NewJob, *, schema: str = ...) -> int | None: ...
@overload
def enqueue(connection: AsyncConnection[Any], job: NewJob, *, schema: str = ...) -> Awaitable[int | None]: ...
def enqueue(
    connection: Connection[Any] | AsyncConnection[Any], job: NewJob, *, schema: str = SCHEMA
) -> int | Awaitable[int | None] | None:
    """Insert a job and return its id; None if its unique_key or its once_key is taken.

    With a debounce_key it is the id of the job that waits. The job exists once the caller's transaction commits;
    with autocommit, at once. Raise ValueError where keys do not go together, and psycopg.Error where PostgreSQL
    refuses the job.

    Args:
        connection: The connection; an AsyncConnection makes the return value an awaitable.
        job: The job.
        schema: The schema that the jobs are in.
    """
    if isinstance(connection, AsyncConnection):
        return _first(_enqueue_async(connection, [job], schema))
    return _enqueue(connection, [job], schema)[0]


@overload
def enqueue_many(connection: Connection[Any], jobs: Sequence[NewJob], *, schema: str = ...) -> Ids: ...
@overload
def enqueue_many(
    connection: AsyncConnection[Any], jobs: Sequence[NewJob], *, schema: str = ...
) -> Awaitable[Ids]: ...
def enqueue_many(
    connection: Connection[Any] | AsyncConnection[Any], jobs: Sequence[NewJob], *, schema: str = SCHEMA
) -> Ids | Awaitable[Ids]:
    """Insert all jobs or none, and return what `enqueue` does for each, in their order."""
    if isinstance(connection, AsyncConnection):
        return _enqueue_async(connection, jobs, schema)
    return _enqueue(connection, jobs, schema)


async def _first(ids: Awaitable[Ids]) -> int | None:
    return (await ids)[0]


def _enqueue(connection: Connection[Any], jobs: Sequence[NewJob], schema: str) -> Ids:
    statements = list(insertions(jobs))
    ids: Ids = [None] * len(jobs)
    needs_transaction = connection.autocommit and len(statements) > 1
    with (
        connection.transaction() if needs_transaction else nullcontext(),
        Cursor(connection, row_factory=dict_row) as cursor,
    ):
        for each in statements:
            each.put_ids(cursor.execute(*_written(each, schema)).fetchall(), ids)
    return ids


async def _enqueue_async(connection: AsyncConnection[Any], jobs: Sequence[NewJob], schema: str) -> Ids:
    statements = list(insertions(jobs))
    ids: Ids = [None] * len(jobs)
    needs_transaction = connection.autocommit and len(statements) > 1
    async with (
        connection.transaction() if needs_transaction else nullcontext(),
        AsyncCursor(connection, row_factory=dict_row) as cursor,
    ):
        for each in statements:
            await cursor.execute(*_written(each, schema))
            each.put_ids(await cursor.fetchall(), ids)
    return ids


def _written(insertion: Insertion, schema: str) -> tuple[bytes, dict[str, Any]]:
    """Return the statement for `execute`, which takes text as bytes or as a literal of the program only."""
    return insertion.sql(schema, Style.PYFORMAT).encode(), insertion.arguments
