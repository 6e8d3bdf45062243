"""No wake-up is lost between a daemon that falls asleep and a client that commits."""

import asyncio
import signal
from pathlib import Path

import asyncpg
import pytest

from tests.conftest import NewDaemon, NewDatabase
from tests.faults import sleeps
from tests.support.daemon import DEADLINE, DaemonProcess
from tests.support.jobs import Connection, insert, settled

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("daemons", [1, 3])
async def test_no_wake_up_is_lost(new_database: NewDatabase, tmp_path: Path, daemons: int) -> None:
    dsn = new_database()
    try:
        sleeps.start(tmp_path, dsn, daemons)
        seen = await sleeps.stress(dsn, knocks=500, seed=daemons)
    finally:
        DaemonProcess.kill_all()
    assert max(seen.delays) < sleeps.MOST_LATE, str(seen)


async def test_prepared_transaction_that_may_not_notify_is_found(db: Connection, daemon: DaemonProcess) -> None:
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
    start_daemon(lease=3600).ready()
    other = await asyncpg.connect(dsn)
    async with other.transaction():
        await insert(other, "succeed")
        for _ in range(20):  # within DEADLINE: no beat looks for them
            await settled(db, await insert(db, "succeed"))
    await other.close()


async def test_gate_of_a_daemon_that_stops_is_shut_by_another_that_sleeps(
    db: Connection, start_daemon: NewDaemon
) -> None:
    first = start_daemon(name="first", lease=3600).ready()
    await tried_to_shut(db, 1)
    start_daemon(name="second", lease=3600).ready()
    await tried_to_shut(db, 2)
    assert first.stop() == 0
    await settled(db, await insert(db, "succeed"))


async def test_gate_of_a_daemon_that_was_killed_is_shut_by_another_that_sleeps(
    db: Connection, start_daemon: NewDaemon
) -> None:
    first = start_daemon(name="first", lease=3600).ready()
    await tried_to_shut(db, 1)
    start_daemon(name="second", lease=3600, actions={"succeed": {"handler": "sample:succeed"}}).ready()
    await tried_to_shut(db, 2)
    first.stop(signal.SIGKILL)
    start_daemon(name="third", lease=3, actions={"other": {"handler": "sample:succeed"}})
    async with asyncio.timeout(DEADLINE):
        while await db.fetchval("select count(*) from asyncjob.daemon where name = 'first'"):
            await asyncio.sleep(0.01)
    await settled(db, await insert(db, "succeed"))


async def tried_to_shut(db: Connection, daemons: int) -> None:
    """Waits until so many sleep, of which the first has the locks."""
    async with asyncio.timeout(DEADLINE):
        while daemons != await db.fetchval(
            "select count(*) from pg_stat_activity where datname = current_database() and state = 'idle'"
            " and application_name = 'asyncjobd gate' and query like '%pg_try_advisory_lock%'"
        ):
            await asyncio.sleep(0.01)
