"""Keys by the Python API."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import msgspec
import pytest

from asyncjobd import Client, JobBuilder, NewJob
from tests.support.jobs import Connection, row

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(dsn: str) -> AsyncIterator[Client]:
    async with Client.connect(dsn) as client:
        yield client


async def test_debounced_job_is_changed_by_the_next_insert(client: Client, db: Connection) -> None:
    def request(n: int) -> JobBuilder:
        builder = JobBuilder("Index").set_params({"n": n})
        return builder.set_debounce("index-7", timedelta(minutes=5), at_most=timedelta(minutes=6))

    job_id = await client.insert(request(1).build())
    assert job_id is not None
    first = await row(db, job_id)
    assert first["schedule_time"] - first["created_at"] == timedelta(minutes=5)
    assert await client.insert(request(2).build()) == job_id
    found = await client.find(debounce_key="index-7")
    assert found is not None
    assert (found.id, found.params, found.debounce_key) == (job_id, {"n": 2}, "index-7")
    await db.execute(
        "set asyncjob.engine = 'on'; update asyncjob.job set created_at = created_at - interval '4 min'"
    )
    assert await client.insert(request(3).build()) == job_id
    third = await row(db, job_id)
    assert third["schedule_time"] - third["created_at"] == timedelta(minutes=6)


async def test_debounced_job_without_a_delay_stays_due_at_once(client: Client, db: Connection) -> None:
    request = NewJob(job_name="a", debounce_key="d", at_most=timedelta(hours=1))
    job_id = await client.insert(request)
    assert job_id is not None
    assert await client.insert(request) == job_id
    job = await row(db, job_id)
    assert (job["status"], job["schedule_time"]) == ("In Progress", None)


async def test_once_key_is_taken_by_any_job(client: Client) -> None:
    job = JobBuilder("Report").set_once_key("report-2026-11-27").build()
    job_id = await client.insert(job)
    assert await client.insert(job) is None
    found = await client.find(once_key="report-2026-11-27")
    assert found is not None
    assert found.id == job_id
    assert await client.find(unique_key="report-2026-11-27") is None


async def test_keys_of_all_kinds_are_inserted_together(client: Client, db: Connection) -> None:
    taken = await client.insert(NewJob(job_name="a", debounce_key="d1"))
    await client.insert(NewJob(job_name="a", once_key="o1"))
    await client.insert(NewJob(job_name="a", unique_key="u1"))
    jobs = [
        NewJob(job_name="a", params=1),
        NewJob(job_name="a", params=2, debounce_key="d1"),
        NewJob(job_name="a", params=3, once_key="o1"),
        NewJob(job_name="a", params=4, once_key="o2", unique_key="u2"),
        NewJob(job_name="a", params=5, unique_key="u1"),
        NewJob(job_name="a", params=6, debounce_key="d2"),
        NewJob(job_name="a", params=7, debounce_key="d1", at_most=timedelta(0)),
        NewJob(job_name="a", params=8, once_key="o2"),
        NewJob(job_name="a", params=9, once_key="o3", unique_key="u1"),
        NewJob(job_name="a", params=10),
    ]
    ids = await client.insert_many(jobs)
    assert [place for place, job_id in enumerate(ids) if job_id is None] == [2, 4, 7, 8]
    assert ids[1] == ids[6] == taken
    params = {job.id: job.params for job in await client.list(job_name="a")}
    assert [job_id and params[job_id] for job_id in ids] == [1, 7, None, 4, None, 6, 7, None, None, 10]


async def test_many_debounced_jobs_are_inserted_or_none(client: Client) -> None:
    jobs: list[Any] = [NewJob(job_name="a", debounce_key=f"k{n}") for n in range(6000)]
    with pytest.raises(Exception, match=r"priority|int16|range"):
        await client.insert_many([*jobs, NewJob(job_name="a", debounce_key="x", priority=2**20)])
    assert not await client.list()
    assert len(set(await client.insert_many(jobs))) == 6000


async def test_debounced_jobs_in_opposite_orders_are_no_deadlock(client: Client) -> None:
    jobs = [NewJob(job_name="a", debounce_key=f"k{n}") for n in range(300)]
    for _ in range(5):
        ids = await asyncio.gather(client.insert_many(jobs), client.insert_many(jobs[::-1]))
        assert ids[0] == ids[1][::-1]


async def test_debounce_key_of_two_names_is_refused(client: Client) -> None:
    one, other = (NewJob(job_name=name, debounce_key="d") for name in "ab")
    with pytest.raises(ValueError, match="a and b have the same debounce_key 'd'"):
        await client.insert_many([one, other])
    await client.insert(one)
    with pytest.raises(asyncpg.UniqueViolationError, match="debounce_key 'd' is that of job"):
        await client.insert(other)


async def test_debounce_key_beside_another_key_is_refused(client: Client) -> None:
    alone = NewJob(job_name="a", debounce_key="d")
    for job in (msgspec.structs.replace(alone, unique_key="k"), msgspec.structs.replace(alone, once_key="k")):
        with pytest.raises(ValueError, match="a has the debounce_key 'd' and another key"):
            await client.insert(job)
        with pytest.raises(ValueError, match="a has the debounce_key 'd' and another key"):
            await client.insert_many([NewJob(job_name="a"), job])
    assert not await client.list()


async def test_delay_counts_from_the_insert_by_either_method(client: Client, db: Connection) -> None:
    job = NewJob(job_name="a", delay=timedelta(hours=1))
    for job_id in (await client.insert(job), *await client.insert_many([job])):
        assert job_id is not None
        inserted = await row(db, job_id)
        assert (inserted["status"], inserted["due_at"] - inserted["created_at"]) == (
            "Queued",
            timedelta(hours=1),
        )


async def test_at_most_without_a_debounce_key_is_refused(client: Client) -> None:
    with pytest.raises(ValueError, match="a has at_most 0:00:05, which goes with a debounce_key alone"):
        await client.insert(NewJob(job_name="a", at_most=timedelta(seconds=5)))


async def test_no_jobs_are_inserted_by_no_statement(client: Client) -> None:
    assert await client.insert_many([]) == []


async def test_tree_is_not_inserted_where_a_key_of_its_parent_is_taken(client: Client) -> None:
    await client.insert(NewJob(job_name="a", once_key="k"))
    assert await client.insert_tree(NewJob(job_name="b", once_key="k"), [NewJob(job_name="c")]) == []
    assert [job.job_name for job in await client.list()] == ["a"]


async def test_find_takes_one_key(client: Client) -> None:
    for keys in ({}, {"unique_key": "a", "once_key": "a"}):
        with pytest.raises(ValueError, match="find takes one of"):
            await client.find(**keys)


@pytest.mark.parametrize("setter", ["set_unique_key", "set_once_key", "set_debounce"])
def test_builder_refuses_keys_that_the_table_would(setter: str) -> None:
    with pytest.raises(ValueError, match=r"_key has 502 bytes, at most 500"):
        getattr(JobBuilder("x"), setter)("é" * 251)


def test_builder_refuses_a_debounce_without_sense() -> None:
    with pytest.raises(ValueError, match="delay -1 day, 23:59:59 is less than zero"):
        JobBuilder("x").set_debounce("k", timedelta(seconds=-1))
    with pytest.raises(ValueError, match="at_most 0:00:01 is less than the delay 0:00:02"):
        JobBuilder("x").set_debounce("k", timedelta(seconds=2), at_most=timedelta(seconds=1))
