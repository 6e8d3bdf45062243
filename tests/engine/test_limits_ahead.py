"""Rows of limited actions are claimed ahead of free slots, but only while half of each limit stays free."""

import asyncio

import pytest

from tests.conftest import NewDaemon
from tests.engine.jobs.test_many_rows import all_completed
from tests.engine.test_limits import ACTIONS, LEFT, LONG_LEASE, insert_many, limit
from tests.support.daemon import DEADLINE
from tests.support.jobs import Connection, insert, row, running, settled

pytestmark = pytest.mark.anyio

LARGEST_CLAIM = """
    select max(jobs) from (select count(*) as jobs from asyncjob.job where job_name = $1 group by claim_token) as claim
"""
UNBEGUN = """
    select count(*) from asyncjob.job where status = 'In Progress' and daemon_id is null and job_name = 'sleeps'
"""


@pytest.mark.parametrize(
    "limits",
    [
        {"max_running": 100_000}, {"rate": "1000000 per second"}, {"max_running_per_key": 100_000},
        {"rate_per_key": "1000000 per second"},
    ],
)  # fmt: skip
async def test_rows_are_claimed_ahead_while_limits_are_far_away(
    db: Connection, start_daemon: NewDaemon, limits: dict[str, object]
) -> None:
    start_daemon(lease=LONG_LEASE, concurrency=2, actions=ACTIONS).ready()
    await limit(db, "succeed", **limits)
    await insert_many(db, 1000, keys=3, name="succeed")
    await all_completed(db)
    assert await db.fetchval(LARGEST_CLAIM, "succeed") > 2


async def test_half_of_each_limit_is_left_for_free_slots(db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(lease=LONG_LEASE, concurrency=2, actions=ACTIONS).ready()
    for limits in ({"max_running": 9}, {"rate": "1000 per second", "burst": 9}):
        await limit(db, "succeed", **({"max_running": None, "rate": None} | limits))
        await insert_many(db, 500, name="succeed")
        await all_completed(db)
        assert await db.fetchval(LARGEST_CLAIM, "succeed") <= 4


async def test_key_of_which_one_runs_at_a_time_has_its_turn_beside_many_rows_without_a_key(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(lease=LONG_LEASE, concurrency=2, actions=ACTIONS).ready()
    await limit(db, "succeed", max_running_per_key=1)
    await insert_many(db, 3000, name="succeed")
    single = await insert(db, "succeed", limit_key="'single'")
    await insert_many(db, 3000, name="succeed")
    await settled(db, single)
    await all_completed(db)
    last = await db.fetchval("select max(started_at) from asyncjob.job")
    assert (await row(db, single))["started_at"] < last


async def test_limited_actions_take_turns(db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(lease=LONG_LEASE, concurrency=1, actions=ACTIONS).ready()
    for name in ("sleeps", "succeed"):
        await limit(db, name, max_running=1000)
    await insert_many(db, 400)
    await settled(db, await insert(db, "succeed"))
    assert await db.fetchval(LEFT, "sleeps") > 0


async def test_limited_row_claimed_ahead_that_finds_no_slot_is_given_back_and_runs_later(
    db: Connection, start_daemon: NewDaemon
) -> None:
    daemon = start_daemon(lease=LONG_LEASE, concurrency=2, actions=ACTIONS).ready()
    await limit(db, max_running=100_000)
    async with db.transaction():
        await insert_many(db, 2000, seconds=0)
        slow = [await insert(db, "sleeps", '{"seconds": 3600}') for _ in range(20)]
    daemon.wait_for("job.handed_back", reason="not begun")
    async with asyncio.timeout(DEADLINE):
        while await db.fetchval(UNBEGUN) != 18:
            await asyncio.sleep(0.05)
    await db.execute("update asyncjob.job set status = 'Failed' where id = any ($1)", slow[:2])
    for job_id in slow[2:4]:
        await running(db, job_id)
    start_daemon(lease=LONG_LEASE, concurrency=100, name="other", actions=ACTIONS).ready()
    for job_id in slow[4:]:
        await running(db, job_id)
