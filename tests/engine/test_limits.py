"""Limits that hold for all daemons: they are never exceeded, a freed place is taken at once, and keys take turns."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from asyncjobd.engine.jobs.claims import Claim, Turn
from asyncjobd.engine.jobs.cursors import START
from asyncjobd.engine.jobs.limited_lane import LimitedLane
from tests.conftest import NewDaemon
from tests.faults.limits import most_within
from tests.support.actions import action
from tests.support.daemon import DEADLINE
from tests.support.handlers import block, raises, sleeps, succeed
from tests.support.jobs import Connection, blocked, insert, row, running, set_status, settled

pytestmark = pytest.mark.anyio

LONG_LEASE = "3600 s"  # no heartbeat and no look comes within a test
ACTIONS = {
    "sleeps": action(sleeps), "succeed": action(succeed), "block": action(block), "fail": action(raises)
}  # fmt: skip
OWNED = "select count(*) from asyncjob.job where job_name = $1 and daemon_id is not null"
OF_A_KEY = """
    select coalesce(max(jobs), 0) from (
        select count(*) as jobs from asyncjob.job
         where job_name = $1 and daemon_id is not null and limit_key is not null group by limit_key) as owned
"""
LOCK = "select pg_advisory_xact_lock('asyncjob.bucket'::regclass::int, hashtext($1))"  # of an action's claims
LAST_CLAIM = "select query_start from pg_stat_activity where application_name like '%claimer%'"
COMMITS = "select xact_commit from pg_stat_database where datname = current_database()"
LEFT = "select count(*) from asyncjob.job where job_name = $1 and status in ('Queued', 'In Progress')"


async def limit(db: Connection, name: str = "sleeps", /, **limits: Any) -> None:
    """Change limits, and wait for the claims that have begun before."""
    columns = ", ".join(f"{column} = ${number}" for number, column in enumerate(limits, 2))
    await db.execute(f"update asyncjob.action set {columns} where name = $1", name, *limits.values())
    await db.execute(LOCK, name)


async def insert_many(
    db: Connection, jobs: int, keys: int = 0, name: str = "sleeps", seconds: float = 0.01
) -> None:
    """Insert jobs, the keys of which go round."""
    await db.execute(
        """insert into asyncjob.job (job_name, params, limit_key)
           select $1, jsonb_build_object('seconds', $2::float8), 'key ' || n % nullif($3, 0)
             from generate_series(1, $4) as n""",
        name, seconds, keys, jobs,
    )  # fmt: skip


async def most(db: Connection, query: str, name: str = "sleeps") -> int:
    """Return the largest answer of a query, until no job of this name is left."""
    largest = 0
    async with asyncio.timeout(3 * DEADLINE):
        while await db.fetchval(LEFT, name):
            largest = max(largest, await db.fetchval(query, name))
    return largest


async def later(db: Connection, query: str) -> Any:
    """Return the answer of a query half a second later."""
    await asyncio.sleep(0.5)
    return await db.fetchval(query)


async def starts(db: Connection, name: str = "sleeps") -> list[datetime]:
    rows = await db.fetch(
        "select started_at from asyncjob.job where job_name = $1 and started_at is not null order by 1", name
    )
    return [found["started_at"] for found in rows]


async def test_limit_holds_for_all_daemons_and_others_do_not_suffer(
    db: Connection, start_daemon: NewDaemon
) -> None:
    for name in ("one", "two"):
        start_daemon(lease=LONG_LEASE, name=name, actions=ACTIONS).ready()
    await limit(db, max_running=3)
    await insert_many(db, 400)
    await insert_many(db, 100, name="succeed")
    async with asyncio.timeout(DEADLINE):
        while await db.fetchval(LEFT, "succeed"):
            await asyncio.sleep(0.01)
    assert await db.fetchval(LEFT, "sleeps") > 0
    assert await most(db, OWNED) == 3


async def test_limit_of_keys_holds_and_all_keys_are_used(db: Connection, start_daemon: NewDaemon) -> None:
    for name in ("one", "two"):
        start_daemon(lease=LONG_LEASE, name=name, actions=ACTIONS).ready()
    await limit(db, max_running_per_key=2, max_running=8)
    await insert_many(db, 400, keys=10)
    most_of_a_key = most_of_all = 0
    async with asyncio.timeout(3 * DEADLINE):
        while await db.fetchval(LEFT, "sleeps"):
            most_of_a_key = max(most_of_a_key, await db.fetchval(OF_A_KEY, "sleeps"))
            most_of_all = max(most_of_all, await db.fetchval(OWNED, "sleeps"))
    assert (most_of_a_key, most_of_all) == (2, 8)


async def test_limit_that_is_changed_under_load_counts_from_the_next_claim_on(
    db: Connection, start_daemon: NewDaemon
) -> None:
    for name in ("one", "two"):
        start_daemon(lease=LONG_LEASE, name=name, actions=ACTIONS).ready()
    await limit(db, max_running=50)
    await insert_many(db, 8000, seconds=0.02)
    for value in (4, 1, 7, 2):
        await limit(db, max_running=value)
        async with asyncio.timeout(DEADLINE):  # what was claimed before ends
            while await db.fetchval(OWNED, "sleeps") > value:
                pass
        for _ in range(100):
            assert await db.fetchval(OWNED, "sleeps") <= value
    await limit(db, max_running=None)
    async with asyncio.timeout(DEADLINE):
        while await db.fetchval(OWNED, "sleeps") < 50:
            pass


async def test_freed_place_is_taken_at_once_by_any_daemon(db: Connection, start_daemon: NewDaemon) -> None:
    for name in ("one", "two"):
        start_daemon(lease=LONG_LEASE, name=name, actions=ACTIONS).ready()
    await limit(db, max_running=1)
    await insert_many(db, 60)
    assert await most(db, OWNED) == 1
    idle = await db.fetchval(
        "select max(gap) from (select started_at - lag(finished_at) over (order by started_at) as gap"
        " from asyncjob.job) as gaps"
    )
    assert idle < timedelta(seconds=1)


async def test_place_is_freed_by_every_end(db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(lease=LONG_LEASE, name="idle", concurrency=5, actions=ACTIONS).ready()
    start_daemon(lease=LONG_LEASE, name="busy", concurrency=5, actions=ACTIONS).ready()
    await limit(db, "block", max_running=1)
    jobs = [await insert(db, "block") for _ in range(5)]
    for job_id, end in zip(jobs, ("Failed", "Hold", "Completed", "delete"), strict=False):
        await running(db, job_id)
        if end == "delete":
            await db.execute("delete from asyncjob.job where id = $1", job_id)
        else:
            await set_status(db, job_id, end)
    await running(db, jobs[-1])
    await limit(db, "fail", max_running=1)
    failing = [await insert(db, "fail", max_execution_count="1") for _ in range(3)]
    for job_id in failing:
        assert (await settled(db, job_id))["status"] == "Failed"


async def test_limits_of_the_file_hold_until_sql_changes_them_and_again_when_the_file_does(
    db: Connection, start_daemon: NewDaemon
) -> None:
    async def start(**limits: Any) -> tuple[Any, ...]:
        start_daemon(actions={"sleeps": action(sleeps, **limits)}).ready().stop()
        found = await db.fetchrow(
            "select max_running, max_running_per_key, rate, rate_per_key, burst from asyncjob.action"
        )
        return tuple(found)

    file = {"max_running": 9, "max_running_per_key": 2, "rate": "5 per second", "burst": 3}
    assert await start(**file) == (9, 2, "5 per second", None, 3)
    await limit(db, max_running=4, rate=None, rate_per_key="1 per day")
    assert await start(**file) == (4, 2, None, "1 per day", 3)
    assert await start(**file | {"max_running_per_key": 7}) == (4, 7, None, "1 per day", 3)
    assert await start(**file | {"max_running": 8}) == (8, 2, None, "1 per day", 3)
    assert await start() == (None, None, None, "1 per day", None)


async def test_key_from_a_param(db: Connection, start_daemon: NewDaemon) -> None:
    await db.execute(
        "create trigger sleeps_limit_key before insert on asyncjob.job for each row"
        " when (new.job_name = 'sleeps') execute function asyncjob.limit_key_from_params('tenant')"
    )
    try:
        params = ('{"tenant": "a"}', '{"tenant": 7}', '{"tenant": ""}', '{"tenant": null}', "{}", "[]")
        jobs = [await insert(db, "sleeps", each) for each in params]
        jobs.append(await insert(db, "sleeps", '{"tenant": "a"}', limit_key="'b'"))
        jobs.append(await insert(db, "succeed", '{"tenant": "a"}'))
        keys = [(await row(db, job_id))["limit_key"] for job_id in jobs]
        assert keys == ["a", "7", None, None, None, None, "b", None]
    finally:
        await db.execute("drop trigger sleeps_limit_key on asyncjob.job")


async def test_nothing_starts_at_0(db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(lease=LONG_LEASE, actions=ACTIONS).ready()
    for limits in ({"max_running": 0}, {"max_running_per_key": 0}):
        await limit(db, **limits)
        job_id = await insert(db, "sleeps", limit_key="'a'")
        await settled(db, await insert(db, "succeed"))
        assert (await row(db, job_id))["started_at"] is None
        await limit(db, **dict.fromkeys(limits, 1))
        await settled(db, job_id)
        await limit(db, **dict.fromkeys(limits))


async def test_run_now_by_a_client_skips_no_limit(db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(lease=LONG_LEASE, actions=ACTIONS).ready()
    await limit(db, "block", max_running=1)
    first, second = (
        await insert(db, "block"),
        await insert(db, "block", schedule_time="now() + interval '1 h'"),
    )
    await running(db, first)
    await set_status(db, second, "In Progress")
    await settled(db, await insert(db, "succeed"))
    assert (await row(db, second))["started_at"] is None
    await set_status(db, first, "Failed")
    await running(db, second)


async def test_rate_holds_in_every_interval_and_is_used(db: Connection, start_daemon: NewDaemon) -> None:
    for name in ("one", "two"):
        start_daemon(lease=LONG_LEASE, name=name, actions=ACTIONS).ready()
    await limit(db, "succeed", rate="100 per second", burst=10)
    await insert_many(db, 500, name="succeed")
    await most(db, OWNED, "succeed")
    times = await starts(db, "succeed")
    for seconds in (0.05, 0.1, 0.5, 1):
        assert most_within(times, seconds) <= 100 * seconds + 10
    assert times[-1] - times[0] < timedelta(seconds=15)  # 4.9 s are needed


async def test_rate_of_keys_holds_and_a_slow_key_holds_up_no_other(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(lease=LONG_LEASE, actions=ACTIONS).ready()
    await limit(db, "succeed", rate_per_key="10 per second", burst=1)
    await insert_many(db, 60, keys=3, name="succeed")
    single = await insert(db, "succeed", limit_key="'single'")
    await settled(db, single)
    assert await db.fetchval(LEFT, "succeed") > 0
    await most(db, OWNED, "succeed")
    for key in range(3):
        rows = await db.fetch(
            "select started_at from asyncjob.job where limit_key = $1 order by 1", f"key {key}"
        )
        assert most_within([found["started_at"] for found in rows], 0.5) <= 6


async def test_buckets_that_are_full_again_do_not_pile_up(db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(lease=LONG_LEASE, actions=ACTIONS).ready()
    await limit(db, "succeed", rate_per_key="1000 per second")
    await insert_many(db, 300, keys=300, name="succeed")
    await most(db, OWNED, "succeed")
    assert await db.fetchval("select count(*) from asyncjob.bucket") == 300
    await db.execute("update asyncjob.bucket set free_at = now() - interval '2 minutes'")
    await db.execute(
        "insert into asyncjob.job (job_name, limit_key) select 'succeed', 'new ' || n from generate_series(1, 200) as n"
    )
    await most(db, OWNED, "succeed")
    assert await db.fetchval("select count(*) from asyncjob.bucket where limit_key like 'key %'") == 0


async def test_rate_that_is_raised_counts_at_once(db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(lease=LONG_LEASE, actions=ACTIONS).ready()
    await limit(db, "succeed", rate="1 per day")
    first, second = await insert(db, "succeed"), await insert(db, "succeed")
    await settled(db, first)
    assert (await row(db, second))["started_at"] is None
    await limit(db, "succeed", rate="1000 per second")
    await settled(db, second)


async def test_key_with_one_job_is_not_behind_a_key_with_many(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(lease=LONG_LEASE, concurrency=4, actions=ACTIONS).ready()
    await limit(db, max_running_per_key=100)
    await insert_many(db, 2000, keys=1)
    single = await insert(db, "sleeps", '{"seconds": 0.01}', limit_key="'single'")
    await settled(db, single)
    assert await db.fetchval(LEFT, "sleeps") > 1900


async def test_priority_decides_within_a_key(db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(lease=LONG_LEASE, concurrency=1, actions=ACTIONS).ready()
    await limit(db, max_running=0, max_running_per_key=1)
    jobs = {
        priority: await insert(db, "sleeps", '{"seconds": 0}', priority=str(priority), limit_key="'a'")
        for priority in (0, 5, -5, 3)
    }
    await limit(db, max_running=1)
    for job_id in jobs.values():
        await settled(db, job_id)
    order = await db.fetch("select priority from asyncjob.job order by started_at")
    assert [found["priority"] for found in order] == [-5, 0, 3, 5]


async def test_rows_without_a_key_take_their_turn_and_count_for_no_key(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(lease=LONG_LEASE, concurrency=10, actions=ACTIONS).ready()
    await limit(db, "block", max_running_per_key=1)
    keyed = [await insert(db, "block", limit_key="'a'") for _ in range(3)]
    keyless = [await insert(db, "block") for _ in range(3)]
    for job_id in (keyed[0], *keyless):
        await running(db, job_id)
    await settled(db, await insert(db, "succeed"))
    assert (await row(db, keyed[1]))["started_at"] is None


async def test_rows_without_a_key_are_found_behind_very_many_that_wait(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(lease=LONG_LEASE, actions=ACTIONS).ready()
    await limit(db, max_running_per_key=0)
    await insert_many(db, 5000, keys=3)
    await settled(db, await insert(db, "sleeps", '{"seconds": 0}'))


async def test_rows_without_a_key_are_found_behind_very_many_keys_that_have_no_room(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(lease=LONG_LEASE, actions=ACTIONS).ready()
    await limit(db, max_running_per_key=0)
    await insert_many(db, 2500, keys=250)
    await settled(db, await insert(db, "sleeps", '{"seconds": 0}'))


async def test_row_without_a_key_has_its_turn_though_few_places_are_free_at_a_time(
    db: Connection, start_daemon: NewDaemon
) -> None:
    await db.execute("insert into asyncjob.action (name, handler, is_active) values ('sleeps', '', true)")
    await limit(db, max_running=1, max_running_per_key=1)
    await insert_many(db, 3000, keys=2, seconds=0)
    job_id = await insert(db, "sleeps", '{"seconds": 0}')
    start_daemon(lease=LONG_LEASE, actions=ACTIONS).ready()
    found = await settled(db, job_id)
    before = "select count(*) from asyncjob.job where started_at < $1"
    assert await db.fetchval(before, found["started_at"]) < 1000


@pytest.mark.parametrize(
    "limits",
    [
        {"max_running": 1, "max_running_per_key": 1},
        {"max_running": 2, "max_running_per_key": 2},
        {"rate": "50 per second", "burst": 1, "max_running_per_key": 2},
        {"max_running": 3, "rate_per_key": "1000 per second"},
    ],
)
async def test_each_key_has_its_turn_though_all_keys_share_a_limit(
    db: Connection, start_daemon: NewDaemon, limits: dict[str, Any]
) -> None:
    await db.execute("insert into asyncjob.action (name, handler, is_active) values ('sleeps', '', true)")
    await limit(db, **limits)
    await db.execute(
        "insert into asyncjob.job (job_name, params, limit_key) select 'sleeps', '{\"seconds\": 0.02}', key"
        " from unnest(array['a', 'b', 'c', 'd', null]) as key, generate_series(1, 40)"
    )
    start_daemon(lease=LONG_LEASE, actions=ACTIONS).ready()
    first = "select limit_key from asyncjob.job where started_at is not null order by started_at limit 60"
    async with asyncio.timeout(3 * DEADLINE):
        while len(found := await db.fetch(first)) < 60:
            await asyncio.sleep(0.05)
    counts = Counter(each["limit_key"] for each in found)
    assert min(counts.get(key, 0) for key in ("a", "b", "c", "d", None)) >= 7, counts


async def test_lane_that_waits_for_its_rate_in_the_middle_of_a_round_rests(
    db: Connection, start_daemon: NewDaemon
) -> None:
    await db.execute("insert into asyncjob.action (name, handler, is_active) values ('sleeps', '', true)")
    await limit(db, rate="1 per second", burst=1, max_running_per_key=2)
    await insert_many(db, 30, keys=5, seconds=0)
    start_daemon(lease=LONG_LEASE, actions=ACTIONS).ready()
    async with asyncio.timeout(3 * DEADLINE):
        while len(await starts(db)) < 3:
            await asyncio.sleep(0.5)
    before = await db.fetchval(COMMITS)
    async with asyncio.timeout(3 * DEADLINE):
        while len(await starts(db)) < 5:
            await asyncio.sleep(0.5)
    assert await db.fetchval(COMMITS) - before < 100


async def test_row_without_a_key_that_comes_later_and_is_more_urgent_starts_first(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(lease=LONG_LEASE, actions=ACTIONS).ready()
    await limit(db, max_running=1, max_running_per_key=1000)
    await insert_many(db, 200)
    async with asyncio.timeout(DEADLINE):
        while len(await starts(db)) < 5:
            await asyncio.sleep(0.01)
    urgent = await settled(db, await insert(db, "sleeps", '{"seconds": 0}', priority="-1"))
    passed = "select count(*) from asyncjob.job where started_at > $1 and started_at < $2"
    assert await db.fetchval(passed, urgent["created_at"], urgent["started_at"]) < 20


def test_place_that_is_free_in_the_middle_of_a_round_brings_another_round() -> None:
    lane = LimitedLane("sleeps")
    lane.wake(has_rows=True)
    for last_key, rests in (("k", False), ("k", True)):  # the keys up to k have no room, then nobody has
        lane.note_claim(
            Claim([], 1, 0, turn=Turn(last_key, START, is_saturated=True, seconds=None)), is_ahead=False
        )
        assert lane.rests is rests
    lane.wake(has_rows=True)
    end = Claim([], 2, 0, turn=Turn("", START, is_saturated=True, seconds=None))
    lane.note_claim(end, is_ahead=False)
    assert lane.is_due  # the place may be that of a key up to k
    lane.note_claim(end, is_ahead=False)
    assert lane.rests


async def test_more_keys_than_a_claim_looks_at(db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(lease=LONG_LEASE, concurrency=20, actions=ACTIONS).ready()
    await limit(db, "succeed", max_running_per_key=1)
    await insert_many(db, 3000, keys=1000, name="succeed")
    assert await most(db, OF_A_KEY, "succeed") == 1


async def test_keys_that_have_room_are_found_behind_very_many_that_have_none(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(lease=LONG_LEASE, concurrency=600, actions=ACTIONS).ready()
    await limit(db, "block", max_running_per_key=1)
    await insert_many(db, 1000, keys=500, name="block")
    async with asyncio.timeout(DEADLINE):
        while await db.fetchval(OWNED, "block") < 500:
            await asyncio.sleep(0.01)
    await running(db, await insert(db, "block", limit_key="'last'"))
    async with asyncio.timeout(DEADLINE):  # the claimer waits to be told
        while (last := await db.fetchval(LAST_CLAIM)) != await later(db, LAST_CLAIM):
            assert last is not None


async def test_stranger_who_keeps_the_lock_of_an_action_holds_up_no_other(
    db: Connection, start_daemon: NewDaemon, dsn: str
) -> None:
    start_daemon(lease=LONG_LEASE, actions=ACTIONS).ready()
    await limit(db, max_running=5)
    stranger = await asyncpg.connect(dsn)
    await stranger.execute(
        "select pg_advisory_lock('asyncjob.bucket'::regclass::integer, hashtext('sleeps'))"
    )
    job_id = await insert(db, "sleeps")
    for _ in range(10):
        await settled(db, await insert(db, "succeed"))
    assert (await row(db, job_id))["started_at"] is None
    await stranger.close()
    await settled(db, job_id)


async def test_unlimited_jobs_do_not_keep_limited_ones_from_the_slots_nor_the_other_way_round(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(lease=LONG_LEASE, concurrency=2, actions=ACTIONS).ready()
    await limit(db, max_running=1000)
    await insert_many(db, 2000, name="succeed")
    await insert_many(db, 2000)
    await settled(db, await db.fetchval("select min(id) from asyncjob.job where job_name = 'sleeps'"))
    assert await db.fetchval(LEFT, "succeed") > 0
    await settled(db, await insert(db, "succeed", priority="-1"))
    assert await db.fetchval(LEFT, "sleeps") > 0


async def test_row_that_a_client_has_locked_holds_up_no_other(
    db: Connection, start_daemon: NewDaemon, dsn: str
) -> None:
    start_daemon(lease=LONG_LEASE, actions=ACTIONS).ready()
    other = await asyncpg.connect(dsn)
    keyed = {"max_running": 0, "max_running_per_key": 2}
    for limits, key in (({"max_running": 0}, "'a'"), (keyed, "'a'"), (keyed, "null")):
        await limit(db, **limits)
        first = await insert(db, "sleeps", limit_key=key)
        second = await insert(db, "sleeps", limit_key=key)
        async with other.transaction():
            await other.execute("select from asyncjob.job where id = $1 for update", first)
            await limit(db, max_running=1)
            await settled(db, second)
        await settled(db, first)
    await other.close()


async def test_row_that_comes_while_a_claim_waits_uses_up_no_start(
    db: Connection, start_daemon: NewDaemon, dsn: str
) -> None:
    start_daemon(lease=LONG_LEASE, actions=ACTIONS).ready()
    await limit(db, rate="1 per hour", burst=2)
    other = await asyncpg.connect(dsn)
    async with other.transaction():
        await other.execute(LOCK, "sleeps")
        first = await insert(db, "sleeps", '{"seconds": 0}')
        await blocked(db)  # the claim's snapshot has the first row only
        second = await insert(db, "sleeps", '{"seconds": 0}', priority="-1")
    await settled(db, first)
    await settled(db, second)
    await other.close()


async def test_row_that_postgresql_refuses_holds_up_no_other(db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(lease=LONG_LEASE, actions=ACTIONS).ready()
    await db.execute("""
        create function refuse() returns trigger language plpgsql as $$
        begin
            if new.daemon_id is not null and new.params ? 'refused' then raise exception 'not this one'; end if;
            return new;
        end $$;
        create trigger refuse before update on asyncjob.job for each row execute function refuse();
    """)
    try:
        keyed = {"max_running_per_key": 1, "rate": "100 per second"}
        for limits in (
            {"max_running": 1},
            keyed,
            {"rate": "1 per hour", "burst": 3},
        ):  # three starts for the three good ones
            await limit(db, **limits)
            refused = await insert(db, "sleeps", '{"refused": true}', limit_key="'a'")
            good = [await insert(db, "sleeps", '{"seconds": 0}', limit_key=f"'{key}'") for key in "aab"]
            for job_id in good:
                await settled(db, job_id)
            held = await row(db, refused)
            assert held["status"] == "Hold"
            assert "not this one" in held["hold_reason"]
    finally:
        await db.execute("drop trigger refuse on asyncjob.job; drop function refuse")


async def test_limit_for_all_and_limit_for_each_daemon_hold_together(
    db: Connection, start_daemon: NewDaemon
) -> None:
    for name in ("one", "two"):
        start_daemon(lease=LONG_LEASE, name=name, actions=ACTIONS).ready()
    await limit(db, max_running=5, max_running_per_daemon=3)
    await insert_many(db, 300)
    by_daemon = """
        select coalesce(max(jobs), 0) from (
            select count(*) as jobs from asyncjob.job
             where job_name = $1 and daemon_id is not null group by daemon_id) as owned
    """
    most_here = most_of_all = 0
    async with asyncio.timeout(3 * DEADLINE):
        while await db.fetchval(LEFT, "sleeps"):
            most_here = max(most_here, await db.fetchval(by_daemon, "sleeps"))
            most_of_all = max(most_of_all, await db.fetchval(OWNED, "sleeps"))
    assert most_here == 3
    assert most_of_all == 5


async def test_pause_of_a_limited_action_holds(db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(lease=LONG_LEASE, actions=ACTIONS).ready()
    await limit(db, max_running=5)
    await db.execute("update asyncjob.action set paused_until = 'infinity' where name = 'sleeps'")
    job_id = await insert(db, "sleeps")
    await settled(db, await insert(db, "succeed"))
    assert (await row(db, job_id))["started_at"] is None
    await db.execute("update asyncjob.action set paused_until = null where name = 'sleeps'")
    await settled(db, job_id)


async def test_limits_among_very_many_actions(db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(
        lease=LONG_LEASE, actions={f"n{n}": action(succeed) for n in range(100)} | {"sleeps": action(sleeps)}
    ).ready()
    await limit(db, max_running=1)
    await insert_many(db, 30)
    assert await most(db, OWNED) == 1
