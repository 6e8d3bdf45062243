"""Whichever library inserts a job, the row is the one that the client makes, in the transaction of its caller."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from asyncjobd import Client, JobBuilder, NewJob
from asyncjobd.insertion import CHUNK
from tests.contrib.kinds import KINDS, PLAIN
from tests.contrib.libraries import LIBRARIES, Ids, Insert
from tests.support.daemon import DaemonProcess
from tests.support.handlers import succeed

pytestmark = pytest.mark.parametrize("insert", LIBRARIES, ids=lambda insert: insert.__name__)


@pytest.fixture
def dsn(module_dsn: str) -> Iterator[str]:
    """The module's database, without jobs."""
    yield module_dsn
    read(module_dsn, "delete from asyncjob.job returning id")


def read(dsn: str, query: str, *values: Any) -> list[dict[str, Any]]:
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        return connection.execute(query.encode(), values).fetchall()


def rows(dsn: str) -> list[dict[str, Any]]:
    """Return the rows of all jobs without what differs from one insert to the next; near times are from created_at."""
    found = [row["job"] for row in read(dsn, "select to_jsonb(job) as job from asyncjob.job order by id")]
    for row in found:
        created = datetime.fromisoformat(row.pop("created_at"))
        del row["id"]
        for name in ("due_at", "schedule_time"):
            if row[name] is not None and row[name] < "2040":
                row[name] = (datetime.fromisoformat(row[name]) - created).total_seconds()
    return found


def of_client(dsn: str, jobs: list[NewJob]) -> Ids:
    async def insert() -> Ids:
        async with Client.connect(dsn) as client:
            return await client.insert_many(jobs)

    return asyncio.run(insert())


@pytest.mark.parametrize("job", KINDS, ids=lambda job: job.job_name)
def test_row_is_that_of_the_client(insert: Insert, job: NewJob, dsn: str) -> None:
    of_client(dsn, [job])
    expected = rows(dsn)
    read(dsn, "delete from asyncjob.job returning id")
    assert insert(dsn, [job], True) == [row["id"] for row in read(dsn, "select id from asyncjob.job")]
    assert rows(dsn) == expected


def test_many_jobs_have_their_ids_in_order(insert: Insert, dsn: str) -> None:
    ids = insert(dsn, KINDS, True)
    names = {row["id"]: row["job_name"] for row in read(dsn, "select id, job_name from asyncjob.job")}
    assert [names[number] for number in ids if number] == [job.job_name for job in KINDS]
    again = insert(dsn, KINDS, True)
    assert [number is None for number in again] == [True, False, True, False, False]
    assert again[3] == ids[3]  # the job that waits for its debounce_key


def test_job_waits_for_another(insert: Insert, dsn: str) -> None:
    first = insert(dsn, [PLAIN], True)
    assert insert(dsn, [NewJob(job_name="a", waits_for=first)], True)  # type: ignore[arg-type]
    assert read(dsn, "select waits_for from asyncjob.job where job_name = 'a'") == [{"waits_for": first}]


def test_rollback_takes_the_jobs_along(insert: Insert, dsn: str) -> None:
    assert None not in insert(dsn, [PLAIN], False) + insert(dsn, KINDS, False)
    assert rows(dsn) == []


def test_more_than_a_statement_takes_are_inserted(insert: Insert, dsn: str) -> None:
    assert len(set(insert(dsn, [PLAIN] * (CHUNK + 1), True))) == CHUNK + 1


def test_keys_that_do_not_go_together_are_refused(insert: Insert, dsn: str) -> None:
    with pytest.raises(ValueError, match="debounce_key"):
        insert(dsn, [NewJob(job_name="a", unique_key="b", debounce_key="c")], True)


def test_row_that_the_table_refuses_is_an_error(insert: Insert, dsn: str) -> None:
    with pytest.raises(Exception, match="max_execution_count"):
        insert(dsn, [NewJob(job_name="a", max_execution_count=0)], True)


def test_daemon_runs_the_job(insert: Insert, dsn: str, module_daemon: DaemonProcess) -> None:
    (job_id,) = insert(dsn, [JobBuilder(succeed.__name__).build()], True)
    module_daemon.wait_for("job.completed", job_id=job_id)
