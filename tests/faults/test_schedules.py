"""Schedules, while daemons are killed, frozen and cut off, and where a row cannot be read."""

import asyncio
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from tests.conftest import NewDaemon
from tests.faults.proxy import Proxy
from tests.faults.schedules import start, stress
from tests.support.daemon import DEADLINE
from tests.support.jobs import Connection
from tests.support.schedules import add, found_next, jobs_of, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

FIRINGS = 1500
LOCKED = 45  # schedules, of which one statement moves 50


async def test_each_time_of_a_schedule_makes_one_job_whatever_happens(dsn: str, tmp_path: Path) -> None:
    firings = await stress(dsn, start(tmp_path, dsn, 3), FIRINGS, seed=1)
    assert firings.violations == []
    assert firings.kills + firings.freezes > 0


async def test_times_that_pass_in_an_outage_are_caught_up_as_the_schedule_says(
    db: Connection, start_daemon: NewDaemon, proxy: Proxy
) -> None:
    daemon = start_daemon(proxy=proxy, lease="3600 s").ready()
    await add(db, "s", every="2 s", overlap="allow", catch_up="one")
    last = (await until(db, "s", lambda found: found["last_job_id"]))["last_at"]
    proxy.refuses = True
    proxy.cut()
    async with asyncio.timeout(DEADLINE):
        while await db.fetchval("select now() < $1", last + timedelta(seconds=10)):
            await asyncio.sleep(0.05)
    proxy.heal()
    await until(db, "s", lambda found: found["last_at"] >= last + timedelta(seconds=14))
    assert daemon.process.poll() is None
    late = [job["created_at"] - job["schedule_time"] for job in await jobs_of(db, "s")]
    assert max(late) < timedelta(seconds=5), late  # the first times of the outage make no jobs


async def test_schedules_whose_jobs_are_locked_hold_up_no_other(
    db: Connection, dsn: str, start_daemon: NewDaemon
) -> None:
    start_daemon(lease="3600 s").ready()
    for number in range(LOCKED):
        await add(db, f"s{number}")
        await found_next(db, f"s{number}")
    await db.execute(
        "insert into asyncjob.job (job_name, unique_key, status)"
        " select 'succeed', 'schedule ' || name, 'Hold' from asyncjob.schedule"
    )
    client = await asyncpg.connect(dsn)
    transaction = client.transaction()
    await transaction.start()
    await client.execute("update asyncjob.job set status = 'Failed'")
    await db.execute("update asyncjob.schedule set next_at = now()")
    await add(db, "free", every="1 s", overlap="allow", catch_up="all")
    began = await db.fetchval("select now()")
    await until(
        db, "free", lambda found: found["last_at"] and found["last_at"] > began + timedelta(seconds=5)
    )
    late = [job["created_at"] - job["schedule_time"] for job in await jobs_of(db, "free")]
    assert max(late) < timedelta(seconds=5), late
    assert await db.fetchval("select count(*) from asyncjob.schedule where last_job_id is not null") == 1
    await transaction.rollback()
    await client.close()


async def test_schedule_that_cannot_be_read_ends_no_daemon(db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon().ready()
    await add(db, "s")
    await found_next(db, "s")
    await db.execute("set session_replication_role = replica")  # past the rules
    await db.execute("update asyncjob.schedule set next_at = '20000-01-01', catch_up_for = '1 day'")
    await db.execute("set session_replication_role = origin")
    await add(db, "t", every="1 s")
    daemon.wait_for("schedules.unreadable")
    await db.execute("delete from asyncjob.schedule where name = 's'")
    await until(db, "t", lambda found: found["last_job_id"] is not None)
    assert daemon.process.poll() is None
