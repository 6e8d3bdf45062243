"""Messages lost between the daemon and the database are made good."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import NewDaemon
from tests.support.daemon import DEADLINE, DaemonProcess
from tests.support.jobs import (
    Connection,
    as_engine,
    executions,
    insert,
    row,
    running,
    settled,
    unowned,
    until,
)

pytestmark = pytest.mark.anyio


async def test_claim_whose_reply_was_lost_is_handed_back(db: Connection, daemon: DaemonProcess) -> None:
    daemon_id = daemon.wait_for("daemon.ready")["daemon_id"]
    job_id = await insert(db, "asleep")
    await as_engine(
        db,
        "update asyncjob.job set daemon_id = $1, claim_token = 7, execution_count = 1, execution_total = 1 where id = $2",
        daemon_id,
        job_id,
    )
    job = await unowned(db, job_id, "In Progress")
    assert (job["execution_count"], job["execution_total"]) == (0, 0)
    daemon.wait_for("job.handed_back", job_id=job_id)


async def test_stop_whose_notification_was_lost_is_found(db: Connection, daemon: DaemonProcess) -> None:
    job_id = await insert(db, "block")
    await running(db, job_id)
    await as_engine(
        db, "update asyncjob.job set status = 'Hold', stop_requested = true where id = $1", job_id
    )
    job = await unowned(db, job_id, "Hold")
    assert [e["status"] for e in await executions(db, job_id)] == ["stopped"]
    assert job["execution_count"] == 0


async def test_ready_row_whose_notification_was_lost_runs(db: Connection, daemon: DaemonProcess) -> None:
    await db.execute("set asyncjob.notify = off")
    ready = await insert(db, "succeed")
    due = await insert(db, "succeed", schedule_time="now() + interval '100 ms'")
    assert (await settled(db, ready))["status"] == "Completed"
    assert (await settled(db, due))["status"] == "Completed"


async def test_end_whose_notification_was_lost_releases_what_waits(
    db: Connection, daemon: DaemonProcess
) -> None:
    await db.execute("set asyncjob.notify = off")
    needed = await insert(db, "succeed", status="'Hold'")
    waiting = await insert(db, "succeed", waits_for=f"array[{needed}]::bigint[]")
    await until(db, waiting, lambda r: r["waits_on"] == needed)
    await db.execute("update asyncjob.job set status = 'Completed' where id = $1", needed)
    assert (await settled(db, waiting))["status"] == "Completed"


TERMINATE = (
    "select count(pg_terminate_backend(pid)) from pg_stat_activity"
    " where application_name = $1 and datname = current_database()"
)
PARTS = (
    "listener", "claimer", "recorder", "timer", "resolver", "heartbeat", "rescuer", "reconciler", "client",
)  # fmt: skip


async def test_daemon_lives_through_the_loss_of_a_session(db: Connection, daemon: DaemonProcess) -> None:
    ended: Counter[str] = Counter()
    for part in PARTS * 5:
        async with asyncio.timeout(DEADLINE):
            while True:  # some parts connect when they first have something to do
                ended[part] += await db.fetchval(TERMINATE, f"asyncjobd {part}")
                if ended[part]:
                    break
                await asyncio.sleep(0.01)
        needed = await insert(db, "succeed")
        waiting = await insert(db, "succeed", waits_for=f"array[{needed}]::bigint[]")
        assert (await settled(db, waiting))["status"] == "Completed"
        scheduled = await insert(db, "fans_out", '{"children": 1}', schedule_time="now() + interval '50 ms'")
        await until(db, scheduled, lambda r: r["execution_total"] > 0)
    assert daemon.stop() == 0


async def test_stop_during_the_gap_of_the_listener_is_found(db: Connection, daemon: DaemonProcess) -> None:
    job_id = await insert(db, "block")
    await running(db, job_id)
    async with db.transaction():
        await db.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'asyncjobd listener' and datname = current_database()"
        )
        await db.execute("update asyncjob.job set status = 'Failed' where id = $1", job_id)
    assert (await settled(db, job_id))["last_execution_status"] == "stopped"


async def test_outcome_that_comes_after_the_rescue_changes_nothing(
    db: Connection, daemon: DaemonProcess, tmp_path: Path
) -> None:
    file = tmp_path / "end"
    job_id = await insert(db, "block_in_thread", f'{{"file": "{file}"}}')
    await running(db, job_id)
    await db.execute("update asyncjob.job set job_name = 'asleep' where id = $1", job_id)
    await as_engine(db, "update asyncjob.job set daemon_id = null, claim_token = null where id = $1", job_id)
    file.touch()
    daemon.wait_for("job.lost", job_id=job_id)
    job = await row(db, job_id)
    assert (job["status"], job["last_execution_status"], job["daemon_id"]) == ("In Progress", None, None)


async def test_daemon_with_a_longer_lease_is_not_judged_by_a_shorter_one(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(name="patient", lease="60 s").ready()
    job_id = await insert(db, "block")
    before = await running(db, job_id)
    hasty = start_daemon(name="hasty", lease="1 s").ready()
    for _ in range(10):  # each claim and beat of the hasty one, well past its own lease
        due = await insert(db, "succeed", schedule_time="now() + interval '200 ms'")
        await settled(db, due)
    assert not hasty.events("job.rescued")
    assert (await row(db, job_id))["claim_token"] == before["claim_token"]
