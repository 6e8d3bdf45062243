"""No job starves behind locked rows, behind other names, or beside a job that kills its daemon."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from tests.conftest import NewDaemon
from tests.faults import starvation_handlers
from tests.support.actions import COMMON, Actions, action, actions_of
from tests.support.daemon import DEADLINE, DaemonProcess
from tests.support.handlers import sleeps, succeed
from tests.support.jobs import Connection, as_engine, executions, insert, row, settled

pytestmark = pytest.mark.anyio

MANY = 110_000  # rows


@pytest.fixture(scope="module")
def actions() -> Actions:
    return COMMON | actions_of(starvation_handlers)


@asynccontextmanager
async def locked(dsn: str, condition: str) -> AsyncIterator[int]:
    """Lock rows by a client's transaction meanwhile; yield how many."""
    client: Any = await asyncpg.connect(dsn)
    async with client.transaction():
        ids = await client.fetch(f"select id from asyncjob.job where {condition} order by id for update")
        yield len(ids)
    await client.close()


async def test_very_many_locked_rows_of_one_name_hold_up_no_other(
    db: Connection, dsn: str, start_daemon: NewDaemon
) -> None:
    await db.execute(f"insert into asyncjob.job (job_name) select 'sleeps' from generate_series(1, {MANY})")
    async with locked(dsn, "job_name = 'sleeps'") as count:
        assert count == MANY
        start_daemon(lease="60 s").ready()
        for _ in range(3):
            assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"
        free = await insert(db, "sleeps", '{"seconds": 0}')
        assert (await settled(db, free))["status"] == "Completed"  # behind all that are locked


async def test_very_many_locked_due_rows_hold_up_no_other(
    db: Connection, dsn: str, start_daemon: NewDaemon
) -> None:
    await db.execute(
        "insert into asyncjob.job (job_name, schedule_time)"
        f" select 'asleep', now() + interval '1 hour' from generate_series(1, {MANY})"
    )
    await as_engine(db, "update asyncjob.job set due_at = now() - interval '1 hour'")
    async with locked(dsn, "job_name = 'asleep'") as count:
        assert count == MANY
        start_daemon(lease="60 s").ready()
        later = await insert(db, "succeed", schedule_time="now() + interval '300 ms'")
        assert (await settled(db, later))["status"] == "Completed"


async def test_lost_rows_that_are_locked_hold_up_the_rescue_of_none(
    db: Connection, dsn: str, start_daemon: NewDaemon
) -> None:
    await db.execute("insert into asyncjob.job (job_name) select 'succeed' from generate_series(1, 2500)")
    await as_engine(
        db,
        "update asyncjob.job set daemon_id = 7, claim_token = id, execution_count = 1, max_execution_count = 5,"
        " retry_interval = '1 s', is_recursive = false",
    )
    last = await db.fetchval("select id from asyncjob.job order by ctid desc limit 1")
    async with locked(dsn, f"id <> {last}"):
        start_daemon(lease="60 s").ready()
        assert (await settled(db, last))["status"] == "Completed"


async def test_very_many_ended_jobs_whose_rows_are_locked_do_not_stop_the_claims(
    db: Connection, dsn: str, start_daemon: NewDaemon
) -> None:
    await db.execute(
        "insert into asyncjob.job (job_name, params) select 'sleeps', '{\"seconds\": 6}' from generate_series(1, 5500)"
    )
    start_daemon(lease="6 s", concurrency=6000).ready()
    async with asyncio.timeout(DEADLINE):
        while await db.fetchval("select count(*) from asyncjob.job where daemon_id is null"):
            await asyncio.sleep(0.01)
    async with locked(dsn, "job_name = 'sleeps' and daemon_id is not null") as count:
        assert count > 5000, "they ended before they could be locked"
        for running in (True, False):  # as of its last beat
            async with asyncio.timeout(DEADLINE):
                while await db.fetchval("select running > 0 from asyncjob.daemon") is not running:
                    await asyncio.sleep(0.05)
        assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"


@pytest.mark.parametrize(("tries", "seconds"), [(4, 2), (2, 1)])
async def test_neighbours_of_a_job_that_kills_its_daemon_are_completed(
    db: Connection, start_daemon: NewDaemon, tries: int, seconds: int
) -> None:
    """Only the culprit ends Failed, though all were lost together."""
    options = {"max_execution_count": str(tries)}
    killer = await insert(db, "kills_its_daemon", **options)
    others = [await insert(db, "sleeps", f'{{"seconds": {seconds}}}', **options) for _ in range(5)]
    ids = [killer, *others]
    deadline = time.monotonic() + 4 * DEADLINE
    daemon: DaemonProcess | None = None
    while not {(await row(db, job_id))["status"] for job_id in ids} <= {"Completed", "Failed"}:
        assert time.monotonic() < deadline, [dict(await row(db, job_id)) for job_id in ids]
        if daemon is None or daemon.process.poll() is not None:  # as systemd would
            daemon = start_daemon()
        await asyncio.sleep(0.05)
    assert [(await row(db, job_id))["status"] for job_id in ids] == ["Failed"] + ["Completed"] * 5
    assert f"its daemon was lost in execution {tries} of {tries}" in (await row(db, killer))["message"]
    assert [each["status"] for each in await executions(db, killer)] == ["lost"] * (tries - 1)


def many_actions(count: int) -> Actions:
    return {f"name{n}": action(succeed) for n in range(count)}


async def test_jobs_of_very_many_names_start_in_the_order_of_their_priority(
    db: Connection, start_daemon: NewDaemon
) -> None:
    await db.execute(
        "insert into asyncjob.job (job_name, priority) select 'name' || n % 300, (n * 7919) % 600 from generate_series(1, 600) n"
    )
    start_daemon(lease="60 s", concurrency=1, actions=many_actions(300)).ready()
    async with asyncio.timeout(DEADLINE):
        while await db.fetchval("select count(*) from asyncjob.job where status <> 'Completed'"):
            await asyncio.sleep(0.02)
    out_of_order = await db.fetchval(
        "select count(*) from asyncjob.job as earlier join asyncjob.job as later"
        " on earlier.started_at < later.started_at and earlier.priority > later.priority"
    )
    assert out_of_order == 0


async def test_job_of_one_of_very_many_names_is_started_at_once(
    db: Connection, start_daemon: NewDaemon
) -> None:
    """This holds while the daemon sleeps, and while others keep it busy."""
    start_daemon(lease="3600 s", actions={**many_actions(300), "sleeps": action(sleeps)}).ready()
    for n in (7, 250, 7):
        assert (await settled(db, await insert(db, f"name{n}")))["status"] == "Completed"
    await db.execute(
        "insert into asyncjob.job (job_name, params) select 'sleeps', '{\"seconds\": 0.01}' from generate_series(1, 20000)"
    )
    for n in (100, 101, 102):
        job = await settled(db, await insert(db, f"name{n}", priority="-1"))
        assert job["status"] == "Completed"
        assert await db.fetchval(
            "select exists (select from asyncjob.job where job_name = 'sleeps' and status <> 'Completed')"
        )


async def test_daemon_with_very_many_names_does_not_spin_after_a_full_claim(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(lease="3 s", concurrency=1, actions=many_actions(101)).ready()
    assert (await settled(db, await insert(db, "name7")))["status"] == "Completed"
    transactions = (
        "select heartbeat as beat, (select xact_commit + xact_rollback from pg_stat_database where datname = current_database()) as count"
        " from asyncjob.daemon"
    )
    await db.execute("select pg_stat_clear_snapshot()")
    beat, before = await db.fetchrow(transactions)
    async with asyncio.timeout(DEADLINE):
        while (now := await db.fetchrow(transactions))["beat"] < beat + 3:
            await asyncio.sleep(0.2)
    assert now["count"] - before < 300  # of which most are this test's; it was some thousands a second


async def test_jobs_that_must_run_alone_are_shared_by_idle_daemons(
    db: Connection, start_daemon: NewDaemon
) -> None:
    ids = [await insert(db, "block", max_execution_count="5") for _ in range(2)]
    await as_engine(
        db,
        "update asyncjob.job set execution_count = 2, last_execution_status = 'lost', retry_interval = '1 s'",
    )
    for name in ("one", "two"):
        start_daemon(name=name, lease="3600 s").ready()
    async with asyncio.timeout(DEADLINE):
        while (
            await db.fetchval("select count(distinct daemon_id) from asyncjob.job where id = any($1)", ids)
            < 2
        ):
            await asyncio.sleep(0.05)
