"""Retries: when the next try of a failed job is due, and that jobs which fail together do not come back together."""

import asyncio
import json
from datetime import timedelta

import pytest

from tests.conftest import NewDaemon
from tests.engine.jobs.retries_handlers import fails_at
from tests.support.actions import Actions, action
from tests.support.daemon import DEADLINE, DaemonProcess
from tests.support.handlers import answer
from tests.support.jobs import Connection, Row, insert, set_status, settled, until
from tests.support.retries import LONGEST, longest_delay, retry_delay

pytestmark = pytest.mark.anyio

JOBS = 1000
MICROSECOND = timedelta(microseconds=1)
# The first try of each, and when the second was due and began by the clock of its handler: started_at is the time at
# which the claim began, which may see rows that have become due since.
RETRIED = """
    select job.id, first.finished_at as failed_at, job.due_at,
           to_timestamp(job.message::float8) as began_at
      from asyncjob.job join asyncjob.execution as first on first.job_id = job.id and first.number = 1
     where job.job_name = 'outage' and job.execution_count = 2 and job.status = 'Failed'
"""


@pytest.fixture(scope="module")
def actions() -> Actions:
    backoff = {"retry_backoff": 3, "retry_interval_max": "10 min", "retry_jitter": 0.5}
    return {
        "answer": action(answer),
        "backs_off": action(answer, retry_interval="2 min", **backoff),
        "outage": action(fails_at, retry_interval="2 s", retry_jitter=0.5, max_execution_count=2),
    }


@pytest.fixture
def dsn(module_dsn: str) -> str:
    return module_dsn


@pytest.fixture
def daemon(module_daemon: DaemonProcess) -> DaemonProcess:
    return module_daemon


async def failed(
    db: Connection, name: str = "answer", *, tries: int = 1, how: str = "failed", **columns: str
) -> Row:
    """Return a row after so many failures, of which the last alone was waited for."""
    job_id = await insert(db, name, json.dumps({"answers": [how]}), **columns)
    for number in range(1, tries):
        await tried(db, job_id, number)
        await set_status(db, job_id, "In Progress")
    return await tried(db, job_id, tries)


async def tried(db: Connection, job_id: int, times: int) -> Row:
    return await until(
        db,
        job_id,
        lambda r: r["daemon_id"] is None and (r["status"], r["execution_total"]) == ("Queued", times),
    )


def delay(job: Row) -> timedelta:
    found: timedelta = job["due_at"] - job["last_execution_time"]
    return found


@pytest.mark.parametrize("how", ["failed", "exception", "timeout", "retry_later"])
async def test_each_retry_waits_longer_up_to_the_maximum(
    db: Connection, daemon: DaemonProcess, how: str
) -> None:
    delays = [
        delay(
            await failed(
                db, tries=tries, how=how, retry_interval="'10 minutes'", retry_backoff="2",
                retry_interval_max="'35 minutes'", timeout="'50 ms'",
            )
        )
        for tries in (1, 2, 3)
    ]  # fmt: skip
    assert delays == [timedelta(minutes=10), timedelta(minutes=20), timedelta(minutes=35)]


async def test_what_the_row_leaves_null_is_as_its_action_says(db: Connection, daemon: DaemonProcess) -> None:
    job = await failed(db, "backs_off", tries=2)
    expected = retry_delay(timedelta(minutes=2), 3, timedelta(minutes=10), 0.5, job["id"], 2)
    assert abs(delay(job) - expected) <= MICROSECOND
    assert (job["retry_backoff"], job["retry_interval_max"], job["retry_jitter"]) == (None, None, None)

    own_interval = await failed(db, "backs_off", tries=2, retry_interval="'1 minute'", retry_jitter="0")
    assert delay(own_interval) == timedelta(minutes=3)
    own_factor = await failed(db, "backs_off", tries=2, retry_backoff="1", retry_jitter="0")
    assert delay(own_factor) == timedelta(minutes=2)
    own_maximum = await failed(db, "backs_off", retry_interval_max="'30 s'", retry_jitter="0")
    assert delay(own_maximum) == timedelta(seconds=30)


async def test_action_that_is_not_published_leaves_the_interval_as_it_is(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(actions={"forgotten": action(answer)}).ready()
    await db.execute("delete from asyncjob.action where name = 'forgotten'")
    assert delay(await failed(db, "forgotten")) == timedelta(minutes=15)


async def test_time_that_a_handler_asks_for_stays_as_it_is(db: Connection, daemon: DaemonProcess) -> None:
    columns = {"retry_backoff": "1000", "retry_jitter": "1", "retry_interval_max": "'1 ms'"}
    job = await settled(db, await insert(db, "answer", '{"answers": ["retry_soon", "success"]}', **columns))
    first = await db.fetchrow("select * from asyncjob.execution where job_id = $1", job["id"])
    assert job["due_at"] - first["finished_at"] == timedelta(milliseconds=60)


async def test_grid_of_a_recursive_job_knows_no_backoff(db: Connection, daemon: DaemonProcess) -> None:
    job = await failed(
        db, retry_interval="'1 hour'", retry_backoff="7", retry_jitter="1", is_recursive="true"
    )
    assert job["due_at"] - job["schedule_time"] == timedelta(hours=1)


async def test_jobs_that_fail_together_come_back_one_after_the_other(
    db: Connection, daemon: DaemonProcess
) -> None:
    await db.execute(f"insert into asyncjob.job (job_name) select 'outage' from generate_series(1, {JOBS})")
    async with asyncio.timeout(3 * DEADLINE):
        while len(rows := await db.fetch(RETRIED)) < JOBS:
            await asyncio.sleep(0.1)
    interval, jitter = timedelta(seconds=2), 0.5
    longest = longest_delay(interval, 1, 1)
    parts = [0] * 10
    for row in rows:
        due_after = row["due_at"] - row["failed_at"]
        assert abs(due_after - retry_delay(interval, 1, LONGEST, jitter, row["id"], 1)) <= MICROSECOND
        assert row["began_at"] >= row["due_at"]
        assert longest * (1 - jitter) <= due_after <= longest
        parts[int(10 * (longest - due_after) / (longest * jitter)) % 10] += 1
    assert all(60 < jobs < 150 for jobs in parts), parts
