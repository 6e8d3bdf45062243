"""The daemon's memory is bounded in bytes, whatever clients insert and handlers return."""

import asyncio

import pytest

from tests.conftest import NewDaemon
from tests.faults import memory_handlers
from tests.support.actions import COMMON, Actions, action, actions_of
from tests.support.daemon import DEADLINE
from tests.support.handlers import succeed
from tests.support.jobs import Connection, insert, settled

pytestmark = pytest.mark.anyio

MOST = 250  # MiB; a daemon that has nothing to do takes about 45


@pytest.fixture(scope="module")
def actions() -> Actions:
    return COMMON | actions_of(memory_handlers)


async def all_completed(db: Connection) -> None:
    async with asyncio.timeout(3 * DEADLINE):
        while await db.fetchval("select count(*) from asyncjob.job where status <> 'Completed'"):
            await asyncio.sleep(0.05)


async def test_large_params_are_claimed_as_far_as_there_is_memory(
    db: Connection, start_daemon: NewDaemon
) -> None:
    """Each takes 0.2 MB in the table, where it is compressed, and 20 MB when it is read."""
    await db.execute(
        "insert into asyncjob.job (job_name, params)"
        " select 'sleeps', jsonb_build_object('text', repeat('x', 20000000), 'n', n) from generate_series(1, 30) as n"
    )
    daemon = start_daemon(lease="60 s").ready()
    await all_completed(db)
    assert daemon.peak < MOST


async def test_params_fetched_ahead_for_a_rate_that_is_past_are_bounded(
    db: Connection, start_daemon: NewDaemon
) -> None:
    await db.execute("insert into asyncjob.job (job_name) select 'sleeps' from generate_series(1, 2000)")
    await db.execute(
        "insert into asyncjob.job (job_name, params)"
        " select 'sleeps', jsonb_build_object('seconds', 0.1, 'text', repeat('x', 8000000)) from generate_series(1, 45)"
    )
    daemon = start_daemon(lease="60 s").ready()
    await all_completed(db)
    assert daemon.peak < MOST


async def test_large_results_that_are_not_written_yet_stop_the_claims(
    db: Connection, start_daemon: NewDaemon
) -> None:
    await db.execute(
        "insert into asyncjob.job (job_name, params) select 'fills', '{\"characters\": 500000}' from generate_series(1, 1000)"
    )
    daemon = start_daemon(lease="60 s").ready()
    await all_completed(db)
    assert daemon.peak < MOST


async def test_deadlines_of_jobs_that_have_ended_are_not_kept(
    db: Connection, start_daemon: NewDaemon
) -> None:
    await db.execute(
        "insert into asyncjob.job (job_name, timeout) select 'sleeps', interval '1 day' from generate_series(1, 5000)"
    )
    start_daemon(lease="60 s").ready()
    await all_completed(db)
    assert (await settled(db, await insert(db, "counts_deadlines")))["result"].isdigit()
    kept = int((await settled(db, await insert(db, "counts_deadlines")))["result"])
    assert kept < 1000


async def test_very_many_unknown_names_beside_many_known_ones_are_held_in_little_memory(
    db: Connection, start_daemon: NewDaemon
) -> None:
    await db.execute(
        "insert into asyncjob.job (job_name) select 'unheard_of_' || n from generate_series(1, 3000) as n"
    )
    actions = {f"a_name_that_is_rather_long_{n}": action(succeed) for n in range(500)}
    daemon = start_daemon(lease="60 s", unknown_name_grace="0 s", actions=actions).ready()
    async with asyncio.timeout(3 * DEADLINE):
        while await db.fetchval("select count(*) from asyncjob.job where status <> 'Hold'"):
            await asyncio.sleep(0.05)
    assert await db.fetchval("select max(length(hold_reason)) from asyncjob.job") < 500
    assert daemon.peak < 100


async def test_rows_that_are_claimed_one_by_one_are_claimed_as_far_as_there_is_memory(
    db: Connection, start_daemon: NewDaemon
) -> None:
    await db.execute(
        "create function no() returns trigger language plpgsql as $$ begin if new.params ->> 'note' = 'forbidden' then"
        " raise exception 'the site says no'; end if; return new; end $$;"
        " create trigger no before update on asyncjob.job for each row when (new.daemon_id is not null) execute function no()"
    )
    await db.execute(
        "insert into asyncjob.job (job_name, params) values ('sleeps', '{\"note\": \"forbidden\"}')"
    )
    await db.execute(
        "insert into asyncjob.job (job_name, params)"
        " select 'sleeps', jsonb_build_object('seconds', 0.1, 'text', repeat('x', 20000000), 'n', n) from generate_series(1, 30) as n"
    )
    daemon = start_daemon(lease="60 s").ready()
    async with asyncio.timeout(3 * DEADLINE):
        while await db.fetchval(
            "select count(*) from asyncjob.job where status not in ('Completed', 'Hold')"
        ):
            await asyncio.sleep(0.05)
    assert daemon.peak < MOST


async def test_long_traceparents_are_cut(db: Connection, start_daemon: NewDaemon) -> None:
    await db.execute(
        "insert into asyncjob.job (job_name, traceparent) select 'sleeps', repeat('x', 20000000) from generate_series(1, 30)"
    )
    daemon = start_daemon(lease="60 s").ready()
    await all_completed(db)
    assert daemon.peak < 100


async def test_one_large_job_that_runs_long_does_not_keep_small_ones_waiting(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(lease="60 s").ready()
    await db.execute(
        "insert into asyncjob.job (job_name, params) values ('block', jsonb_build_object('text', repeat('x', 40000000)))"
    )
    async with asyncio.timeout(DEADLINE):
        while await db.fetchval("select daemon_id is null from asyncjob.job"):
            await asyncio.sleep(0.05)
    for _ in range(3):
        job = await settled(db, await insert(db, "succeed"))
        assert (job["started_at"] - job["created_at"]).total_seconds() < 10
