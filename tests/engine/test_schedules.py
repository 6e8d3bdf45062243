"""Schedules make jobs at their times: exactly one each, on any daemon, as SQL and the calendar say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import NewDaemon
from tests.support.daemon import DaemonProcess
from tests.support.jobs import Connection, as_engine, insert, row, set_status, settled
from tests.support.schedules import NEVER, add, found_next, jobs_of, read, set_next, until

pytestmark = pytest.mark.anyio

LONG_LEASE = "3600 s"  # no heartbeat and no look comes within a test


async def fired(db: Connection, number: int = 1, name: str = "s") -> list[Any]:
    """Wait until the schedule's time has come and gone, and return its jobs, of which there are so many."""
    await until(db, lambda found: found["next_at"] is not None and found["next_at"] > datetime.now(UTC), name)
    jobs = await jobs_of(db, name)
    assert len(jobs) == number, jobs
    return jobs


async def test_new_schedule_finds_its_next_time_and_fires_nothing(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(lease=LONG_LEASE).ready()
    await add(db, cron="30 2 29 2 *", time_zone="Europe/Berlin")
    found = await found_next(db)
    assert (found["next_at"].hour, found["next_at"].minute, found["next_at"].day) == (1, 30, 29)
    assert found["next_at"] > datetime.now(UTC)
    assert (found["problem"], found["last_at"], await jobs_of(db)) == (None, None, [])


async def test_each_time_makes_a_job_with_what_the_schedule_says(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(lease=LONG_LEASE).ready()
    await add(
        db, every="1 s", params='{"a": 1}', priority=7, max_execution_count=3, timeout="90 s", limit_key="k",
        overlap="allow",
    )  # fmt: skip
    await until(db, lambda found: found["last_job_id"] is not None)
    await db.execute("update asyncjob.schedule set paused_until = 'infinity'")
    found = await read(db)
    job = await settled(db, found["last_job_id"])
    assert job["status"] == "Completed"
    assert job["schedule_time"] == found["last_at"]
    assert job["schedule_time"].microsecond == 0
    assert (job["params"], job["priority"], job["max_execution_count"]) == ('{"a": 1}', 7, 3)
    assert (job["timeout"], job["limit_key"], job["is_recursive"]) == (timedelta(seconds=90), "k", False)
    assert job["once_key"] == f"schedule s {job['schedule_time']:%Y-%m-%dT%H:%M:%SZ}"
    assert job["started_at"] - job["schedule_time"] < timedelta(seconds=1)


async def test_run_now_fires_once_and_leaves_the_calendar_alone(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(lease=LONG_LEASE).ready()
    await add(db)
    calendar = (await found_next(db))["next_at"]
    for number in (1, 2):
        await set_next(db, "now()")
        await settled(db, (await until(db, lambda found: found["next_at"] == calendar))["last_job_id"])
        assert len(await jobs_of(db)) == number
