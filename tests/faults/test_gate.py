"""No wake-up is lost between a daemon that falls asleep and a client that commits."""

import asyncio
import os
import signal
from pathlib import Path

import asyncpg
import pytest

from tests.conftest import NewDaemon, NewDatabase
from tests.faults import sleeps
from tests.support.actions import action
from tests.support.daemon import DEADLINE, DaemonProcess
from tests.support.handlers import succeed
from tests.support.jobs import Connection, insert, running, set_status, settled

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("daemons", [1, 3])
async def test_no_wake_up_is_lost_under_stress(
    new_database: NewDatabase, tmp_path: Path, daemons: int
) -> None:
    dsn = new_database()
    try:
        sleeps.start(tmp_path, dsn, daemons)
        seen = await sleeps.stress(dsn, knocks=500, seed=daemons)
    finally:
        DaemonProcess.kill_all()
    assert max(seen.delays) < sleeps.MOST_LATE, str(seen)


async def test_rows_of_a_prepared_transaction_that_may_not_notify_run(
    db: Connection, daemon: DaemonProcess
) -> None:
    await settled(db, await insert(db, "succeed"))
    await db.execute("set asyncjob.notify = off")
    for scheduled in ("null", "now() + interval '10 ms'"):
        await db.execute("begin")
        job_id = await insert(db, "succeed", schedule_time=scheduled)
        await db.execute("prepare transaction 'of two phases'")
        await db.execute("commit prepared 'of two phases'")
        assert (await settled(db, job_id))["status"] == "Completed"


async def test_open_transaction_of_one_client_does_not_slow_another(
    db: Connection, start_daemon: NewDaemon, dsn: str
) -> None:
    start_daemon(lease="3600 s").ready()
    other = await asyncpg.connect(dsn)
    async with other.transaction():
        await insert(other, "succeed")
        for _ in range(20):  # within DEADLINE: no beat looks for them
            await settled(db, await insert(db, "succeed"))
    await other.close()


async def test_notify_gate_of_a_stopped_daemon_is_taken_over_by_an_idle_one(
    db: Connection, start_daemon: NewDaemon
) -> None:
    first = start_daemon(name="first", lease="3600 s").ready()
    await tried_to_shut(db, 1)
    start_daemon(name="second", lease="3600 s").ready()
    await tried_to_shut(db, 2)
    assert first.stop() == 0
    await settled(db, await insert(db, "succeed"))


async def test_notify_gate_of_a_killed_daemon_is_taken_over_by_an_idle_one(
    db: Connection, start_daemon: NewDaemon
) -> None:
    first = start_daemon(name="first", lease="3600 s").ready()
    await tried_to_shut(db, 1)
    start_daemon(name="second", lease="3600 s", actions={"succeed": action(succeed)}).ready()
    await tried_to_shut(db, 2)
    first.stop(signal.SIGKILL)
    start_daemon(name="third", lease="3 s", actions={"other": action(succeed)})
    async with asyncio.timeout(DEADLINE):
        while await db.fetchval("select count(*) from asyncjob.daemon where name = 'first'"):
            await asyncio.sleep(0.01)
    await settled(db, await insert(db, "succeed"))


async def started_within(db: Connection, job_id: int, seconds: float) -> None:
    """Check that it started in time. Only a wake-up can do that: with a lease of an hour no periodic look comes before."""
    job = await settled(db, job_id)
    assert (job["started_at"] - job["created_at"]).total_seconds() < seconds


async def test_row_that_a_trigger_of_the_site_renames_is_announced_by_its_new_name(
    db: Connection, start_daemon: NewDaemon
) -> None:
    """The schema's trigger is the last to see a row."""
    await db.execute(
        "create function rename() returns trigger language plpgsql as $$ begin new.job_name := 'succeed'; return new; end $$;"
        "create trigger site before insert on asyncjob.job for each row when (new.job_name = 'alias')"
        " execute function rename()"
    )
    start_daemon(lease="3600 s").ready()
    await tried_to_shut(db, 1)
    await started_within(db, await insert(db, "alias"), 10)


async def test_row_announced_in_a_savepoint_that_was_rolled_back_is_announced_again(
    db: Connection, start_daemon: NewDaemon
) -> None:
    """A transaction announces a name once. The notification of a savepoint goes with it."""
    start_daemon(lease="3600 s").ready()
    await tried_to_shut(db, 1)
    async with db.transaction():
        savepoint = db.transaction()
        await savepoint.start()
        await insert(db, "succeed")
        await savepoint.rollback()
        job_id = await insert(db, "succeed")
        assert await insert(db, "succeed") > job_id
    await started_within(db, job_id, 10)


async def test_notify_gate_of_a_daemon_killed_on_another_host_is_taken_over(
    db: Connection, start_daemon: NewDaemon
) -> None:
    first = start_daemon(name="first", is_alone=True, lease="3600 s").ready()
    await tried_to_shut(db, 1)
    start_daemon(name="second", is_alone=True, lease="3600 s").ready()
    await tried_to_shut(db, 2)
    os.kill(first.daemon_pid, signal.SIGKILL)
    await started_within(db, await insert(db, "succeed"), 10)


async def test_notify_gate_of_a_full_daemon_whose_session_ended_is_taken_over(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(name="full", lease="3600 s", concurrency=1).ready()
    await tried_to_shut(db, 1)
    await running(db, await insert(db, "block"))
    start_daemon(name="idle", lease="3600 s").ready()
    await tried_to_shut(db, 2)
    await db.execute(
        "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and mode = 'ExclusiveLock' and granted"
        " and database = (select oid from pg_database where datname = current_database())"
    )
    await started_within(db, await insert(db, "succeed"), 10)


async def test_foreign_session_that_holds_the_gates_lock_does_not_delay_jobs(
    db: Connection, start_daemon: NewDaemon, dsn: str
) -> None:
    stranger = await asyncpg.connect(dsn)
    await stranger.execute(
        "select pg_advisory_lock('asyncjob.job'::regclass::integer, asyncjob.gate_key('succeed'))"
    )
    start_daemon(lease="3600 s").ready()
    await tried_to_shut(db, 1)
    await stranger.close()
    await started_within(db, await insert(db, "succeed"), 10)


async def test_job_that_a_full_daemon_makes_ready_is_started_by_an_idle_one(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(name="full", lease="3600 s", concurrency=1).ready()
    await running(db, await insert(db, "block"))
    start_daemon(name="idle", lease="3600 s").ready()
    await tried_to_shut(db, 1)
    for _ in range(5):
        job = await settled(db, await insert(db, "succeed", schedule_time="now() + interval '200 ms'"))
        assert (job["started_at"] - job["due_at"]).total_seconds() < 10


async def test_job_that_a_full_daemon_records_as_ready_is_started_by_an_idle_one(
    db: Connection, start_daemon: NewDaemon
) -> None:
    """A client runs it again while it runs, so that it is ready when its handler has ended."""
    full = start_daemon(name="full", lease="3600 s", concurrency=1).ready()
    again = await insert(db, "sleeps", '{"seconds": 3600}')
    await running(db, again)
    waiting = await insert(db, "block", priority="-1")  # takes the slot that becomes free
    start_daemon(name="idle", lease="3600 s", actions={"sleeps": action(succeed)}).ready()
    await tried_to_shut(db, 1)
    await set_status(db, again, "Hold")
    await set_status(db, again, "In Progress")
    full.wait_for("job.stopped", job_id=again)
    await running(db, waiting)
    assert (await settled(db, again))["status"] == "Completed"


async def test_flood_of_unknown_notifications_logs_only_a_few_lines(
    db: Connection, daemon: DaemonProcess
) -> None:
    await db.execute(
        "select pg_notify('asyncjob', 'noise ' || n || repeat('x', 1000)) from generate_series(1, 20000) as n"
    )
    await settled(db, await insert(db, "succeed"))
    told = daemon.events("notification.unknown")
    assert 1 <= len(told) <= 3
    assert all(len(each["payload"]) == 100 for each in told)


async def tried_to_shut(db: Connection, daemons: int) -> None:
    """Wait until so many daemons sleep, of which the first has the locks."""
    async with asyncio.timeout(DEADLINE):
        while daemons != await db.fetchval(
            "select count(*) from pg_stat_activity where datname = current_database() and state = 'idle'"
            " and application_name = 'asyncjobd notify gate' and query like '%pg_try_advisory_lock%'"
        ):
            await asyncio.sleep(0.01)
