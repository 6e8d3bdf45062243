"""Many jobs by a psycopg connection with autocommit are inserted all or none."""

import asyncio

import psycopg
import pytest

from asyncjobd import NewJob
from asyncjobd.contrib.psycopg import enqueue_many
from tests.contrib.kinds import ONCE, PLAIN

REFUSED = NewJob(job_name="")  # by the table, after the first statement has inserted the others
JOBS = [ONCE, PLAIN, REFUSED]


def count(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        (found,) = connection.execute("select count(*) from asyncjob.job").fetchone() or (None,)
    return int(found or 0)


def test_jobs_of_a_connection(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        with pytest.raises(psycopg.Error, match="job_name"):
            enqueue_many(connection, JOBS)
        assert count(dsn) == 0
        enqueue_many(connection, JOBS[:2])
        assert count(dsn) == 2


def test_jobs_of_an_async_connection(dsn: str) -> None:
    async def refused() -> None:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            with pytest.raises(psycopg.Error, match="job_name"):
                await enqueue_many(connection, JOBS)

    asyncio.run(refused())
    assert count(dsn) == 0
