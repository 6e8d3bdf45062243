"""How each library inserts jobs in a transaction of its own, which is committed or rolled back."""

import asyncio
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit, urlunsplit

import psycopg
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from asyncjobd import NewJob
from asyncjobd.contrib import psycopg as with_psycopg
from asyncjobd.contrib import sqlalchemy as with_sqlalchemy
from tests.contrib.django_site import of_django

Ids = list[int | None]
Insert = Callable[[str, Sequence[NewJob], bool], Ids]
"""Insert jobs in the database of a dsn, and commit (True) or roll back; return their ids."""


def of_psycopg(dsn: str, jobs: Sequence[NewJob], commits: bool) -> Ids:
    with psycopg.connect(dsn) as connection, connection.transaction(force_rollback=not commits):
        if len(jobs) == 1:
            return [with_psycopg.enqueue(connection, jobs[0])]
        return with_psycopg.enqueue_many(connection, jobs)


def of_psycopg_async(dsn: str, jobs: Sequence[NewJob], commits: bool) -> Ids:
    async def insert() -> Ids:
        async with (
            await psycopg.AsyncConnection.connect(dsn) as connection,
            connection.transaction(force_rollback=not commits),
        ):
            if len(jobs) == 1:
                return [await with_psycopg.enqueue(connection, jobs[0])]
            return await with_psycopg.enqueue_many(connection, jobs)

    return asyncio.run(insert())


def url(dsn: str, driver: str) -> str:
    """Return SQLAlchemy's URL of a dsn."""
    return urlunsplit(urlsplit(dsn)._replace(scheme=f"postgresql+{driver}"))


def of_sqlalchemy(dsn: str, jobs: Sequence[NewJob], commits: bool) -> Ids:
    with Session(create_engine(url(dsn, "psycopg"), poolclass=NullPool)) as session:
        if len(jobs) == 1:
            ids = [with_sqlalchemy.enqueue(session, jobs[0])]
        else:
            ids = with_sqlalchemy.enqueue_many(session, jobs)
        if commits:
            session.commit()
    return ids


def of_sqlalchemy_async(dsn: str, jobs: Sequence[NewJob], commits: bool) -> Ids:
    async def insert() -> Ids:
        async with AsyncSession(create_async_engine(url(dsn, "asyncpg"), poolclass=NullPool)) as session:
            if len(jobs) == 1:
                ids = [await with_sqlalchemy.enqueue(session, jobs[0])]
            else:
                ids = await with_sqlalchemy.enqueue_many(session, jobs)
            if commits:
                await session.commit()
        return ids

    return asyncio.run(insert())


LIBRARIES: list[Insert] = [of_psycopg, of_psycopg_async, of_sqlalchemy, of_sqlalchemy_async, of_django]
