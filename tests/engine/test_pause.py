"""A pause holds for all daemons, exactly, until it ends."""

import asyncio
from datetime import datetime

import asyncpg
import pytest

from tests.conftest import NewDaemon
from tests.support.daemon import DEADLINE, DaemonProcess
from tests.support.jobs import Connection, insert, row, running, settled

pytestmark = pytest.mark.anyio

LONG_LEASE = "3600 s"  # no heartbeat and no look comes within a test
# A claim sees the pauses as of some time between these two, which may be far apart on a busy machine.
CLAIMS = """
    create table claim (job_id bigint, began_at timestamptz, written_at timestamptz);
    create function note_claim() returns trigger language plpgsql as $$
    begin
        insert into public.claim values (new.id, now(), clock_timestamp());
        return null;
    end $$;
    create trigger note_claim after update on asyncjob.job for each row
        when (old.daemon_id is null and new.daemon_id is not null and new.job_name = 'succeed')
        execute function note_claim();
"""


async def pause(db: Connection, until: str = "'infinity'", name: str = "succeed") -> datetime:
    """Pause an action, and return a time after the commit."""
    await db.execute(f"update asyncjob.action set paused_until = {until} where name = $1", name)
    return await db.fetchval("select clock_timestamp()")  # type: ignore[no-any-return]


async def resume(db: Connection, name: str = "succeed") -> datetime:
    """End a pause, and return a time before the commit."""
    before: datetime = await db.fetchval("select clock_timestamp()")
    await db.execute("update asyncjob.action set paused_until = null where name = $1", name)
    return before


async def test_paused_action_starts_nothing_and_others_go_on(
    db: Connection, start_daemon: NewDaemon, dsn: str
) -> None:
    daemons = [start_daemon(lease=LONG_LEASE, name=name).ready() for name in ("one", "two")]
    await pause(db)
    for daemon in daemons:
        daemon.wait_for("action.paused", job_name="succeed")
    paused = [await insert(db, "succeed") for _ in range(20)]
    for _ in range(20):
        await settled(db, await insert(db, "sleeps"))
    assert {(await row(db, job_id))["status"] for job_id in paused} == {"In Progress"}
    assert {(await row(db, job_id))["started_at"] for job_id in paused} == {None}
    await resume(db)
    for job_id in paused:
        assert (await settled(db, job_id))["status"] == "Completed"
    for daemon in daemons:
        daemon.wait_for("action.resumed", job_name="succeed")


async def test_what_runs_goes_on(db: Connection, daemon: DaemonProcess) -> None:
    job_id = await insert(db, "sleeps", '{"seconds": 1}')
    await running(db, job_id)
    await pause(db, name="sleeps")
    assert (await settled(db, job_id))["status"] == "Completed"


async def test_no_job_starts_between_a_pause_and_its_end(
    db: Connection, start_daemon: NewDaemon, dsn: str
) -> None:
    await db.execute(CLAIMS)
    for name in ("one", "two"):
        start_daemon(lease=LONG_LEASE, name=name, concurrency=10).ready()
    stop = asyncio.Event()
    pauses = []

    async def produce() -> None:
        client = await asyncpg.connect(dsn)
        while not stop.is_set():
            await client.execute(
                "insert into asyncjob.job (job_name) select 'succeed' from generate_series(1, 20)"
            )
        await client.close()

    producing = asyncio.create_task(produce())
    for number in range(60):
        from_ = await pause(db)
        marker = await insert(db, "sleeps")  # a whole round through the daemons, in each pause
        await settled(db, marker)
        pauses.append((from_, await resume(db)))
        if number % 2:
            await settled(db, await insert(db, "succeed", priority="-1"))
    stop.set()
    await producing
    for from_, to in pauses:
        assert not await db.fetch("select * from claim where began_at >= $1 and written_at <= $2", from_, to)
    async with asyncio.timeout(DEADLINE):
        while await db.fetchval("select exists (select from asyncjob.job where status = 'In Progress')"):
            await asyncio.sleep(0.05)
    assert await db.fetchval("select count(*) from asyncjob.job where started_at > $1", pauses[0][1]) > 100


async def test_pause_ends_by_itself(db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon(lease=LONG_LEASE).ready()
    await pause(db, "now() + interval '1 second'")
    until = await db.fetchval("select paused_until from asyncjob.action where name = 'succeed'")
    daemon.wait_for("action.paused")
    job = await settled(db, await insert(db, "succeed"))
    assert 0 <= (job["started_at"] - until).total_seconds() < 1
    daemon.wait_for("action.resumed")


async def test_pause_survives_restarts_and_keeps_who_began_it(
    db: Connection, start_daemon: NewDaemon, dsn: str
) -> None:
    first = start_daemon().ready()
    await pause(db, "now() + interval '1 hour'")
    since = await db.fetchval("select paused_at from asyncjob.action where name = 'succeed'")
    first.stop()
    second = start_daemon().ready()
    second.wait_for("action.paused", job_name="succeed")
    job_id = await insert(db, "succeed")
    await settled(db, await insert(db, "sleeps"))
    assert (await row(db, job_id))["started_at"] is None
    await pause(db)
    kept = await db.fetchrow("select paused_by, paused_at from asyncjob.action where name = 'succeed'")
    assert tuple(kept) == ("postgres", since)
    await resume(db)
    await settled(db, job_id)
    ended = await db.fetchrow("select paused_by, paused_at from asyncjob.action where name = 'succeed'")
    assert tuple(ended) == (None, None)


@pytest.mark.parametrize("until", ["'-infinity'", "'294276-12-31'", "'4713-01-01 BC'", "null"])
async def test_absurd_times_do_no_harm(db: Connection, start_daemon: NewDaemon, until: str) -> None:
    daemon = start_daemon(lease=LONG_LEASE).ready()
    await pause(db, until)
    is_paused = await db.fetchval("select paused_until > now() from asyncjob.action where name = 'succeed'")
    job_id = await insert(db, "succeed")
    if is_paused:
        daemon.wait_for("action.paused")
        await settled(db, await insert(db, "sleeps"))
        assert (await row(db, job_id))["started_at"] is None
        await resume(db)
    assert (await settled(db, job_id))["status"] == "Completed"
    assert daemon.process.poll() is None


async def test_paused_jobs_make_no_daemon_look(db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon(lease=LONG_LEASE).ready()
    await settled(db, await insert(db, "succeed"))
    await pause(db)
    daemon.wait_for("action.paused")
    await settled(db, await insert(db, "sleeps"))

    async def statements() -> int:
        return int(
            await db.fetchval("select xact_commit from pg_stat_database where datname = current_database()")
        )

    await db.execute("select pg_stat_force_next_flush()")
    before = await statements()
    inserted = 100
    for _ in range(inserted):
        await insert(db, "succeed")
    await db.execute("select pg_stat_force_next_flush()")
    assert await statements() - before < inserted + 50
    await resume(db)


async def test_pause_among_very_many_actions(db: Connection, start_daemon: NewDaemon) -> None:
    handler = {"handler": "tests.support.handlers:succeed"}
    start_daemon(lease=LONG_LEASE, actions={f"n{n}": handler for n in range(100)}).ready()
    await pause(db, name="n7")
    held = await insert(db, "n7")
    for n in (3, 50, 99):
        await settled(db, await insert(db, f"n{n}"))
    assert (await row(db, held))["started_at"] is None
    await resume(db, name="n7")
    await settled(db, held)
