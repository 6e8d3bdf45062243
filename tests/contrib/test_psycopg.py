"""Many jobs by a psycopg connection with autocommit are inserted all or none."""

import asyncio

import psycopg
import pytest

from asyncjobd import NewJob
from asyncjobd.contrib.psycopg import enqueue_many
from tests.contrib.kinds import ONCE, PLAIN

REFUSED = NewJob(job_name="")  # by the table, in the second statement
JOBS = [ONCE, PLAIN, REFUSED]


def count(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        (found,) = connection.execute("select count(*) from asyncjob.job").fetchone() or (None,)
    return int(found or 0)


def test_refused_job_takes_the_others_along(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        with pytest.raises(psycopg.Error, match="job_name"):
            enqueue_many(connection, JOBS)
        assert count(dsn) == 0
        enqueue_many(connection, JOBS[:2])
        assert count(dsn) == 2


def test_refused_job_takes_the_others_along_async(dsn: str) -> None:
    async def insert_all() -> None:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            with pytest.raises(psycopg.Error, match="job_name"):
                await enqueue_many(connection, JOBS)
            assert count(dsn) == 0
            await enqueue_many(connection, JOBS[:2])

    asyncio.run(insert_all())
    assert count(dsn) == 2
