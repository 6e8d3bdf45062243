"""A client changes schedule_time or waits_for of a job that a daemon has in hand: it counts when that starts again."""

import json
import signal
from datetime import timedelta
from pathlib import Path

import pytest

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from tests.conftest import NewDaemon
from tests.support.daemon import DaemonProcess
from tests.support.jobs import Connection, Row, as_engine, insert, row, running, set_status, settled, until

pytestmark = pytest.mark.anyio

DATABASE = Database(DatabaseConfig())
IN_AN_HOUR = "schedule_time = now() + interval '1 hour'"


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file for which the handlers wait."""
    return tmp_path / "gate"


async def at_work(db: Connection, gate: Path, job_name: str = "reports", **columns: str) -> int:
    """Start a job that nobody can cancel (block_in_thread), or that fails once the gate exists (reports)."""
    params = json.dumps({"file": str(gate), "fails": "once"})
    job_id = await insert(db, job_name, params, retry_interval="interval '10 ms'", **columns)
    await running(db, job_id)
    return job_id


async def edit(db: Connection, job_id: int, what: str) -> None:
    await db.execute(f"update asyncjob.job set {what} where id = $1", job_id)


async def held(db: Connection) -> int:
    return await insert(db, "succeed", status="'Hold'")


async def waiting_for(db: Connection, job_id: int, needed: int) -> Row:
    found = await until(db, job_id, lambda r: r["daemon_id"] is None and r["waits_on"] == needed)
    assert (found["status"], found["due_at"].year) == ("Queued", 9999)
    return found


async def queued_in_an_hour(db: Connection, job_id: int) -> Row:
    found = await until(db, job_id, lambda r: r["daemon_id"] is None and r["status"] == "Queued")
    assert found["due_at"] == found["schedule_time"] > found["now"] + timedelta(minutes=50)
    return found


async def test_retry_comes_in_its_time_whatever_was_named_during_the_try(
    db: Connection, daemon: DaemonProcess, gate: Path
) -> None:
    job_id = await at_work(db, gate, max_execution_count="2")
    await edit(db, job_id, f"waits_for = array[{await held(db)}]")
    assert (await row(db, job_id))["status"] == "In Progress"
    gate.touch()
    found = await settled(db, job_id)
    assert (found["execution_count"], found["waits_on"]) == (2, None)


async def test_retry_is_not_due_before_a_schedule_time_that_was_set_during_the_try(
    db: Connection, daemon: DaemonProcess, gate: Path
) -> None:
    job_id = await at_work(db, gate)
    await edit(db, job_id, IN_AN_HOUR)
    gate.touch()
    await queued_in_an_hour(db, job_id)
    daemon.wait_for("job.retries", job_id=job_id)


async def test_job_that_succeeds_waits_for_nothing_any_more(
    db: Connection, daemon: DaemonProcess, gate: Path
) -> None:
    job_id = await at_work(db, gate, "block_in_thread")
    await edit(db, job_id, f"waits_for = array[{await held(db)}]")
    gate.touch()
    assert (await settled(db, job_id))["waits_on"] is None


async def test_stopped_job_that_is_to_run_again_waits_for_jobs_that_are_named_then(
    db: Connection, daemon: DaemonProcess, gate: Path
) -> None:
    job_id, needed = await at_work(db, gate, "block_in_thread"), await held(db)
    async with db.transaction():
        await edit(db, job_id, "status = 'Hold'")
        await edit(db, job_id, "status = 'In Progress'")
        await edit(db, job_id, f"waits_for = array[{needed}]")
    gate.touch()
    await waiting_for(db, job_id, needed)
    await set_status(db, needed, "In Progress")
    assert (await settled(db, job_id))["status"] == "Completed"


async def test_stopped_job_that_is_to_run_again_is_not_due_before_its_new_schedule_time(
    db: Connection, daemon: DaemonProcess, gate: Path
) -> None:
    job_id = await at_work(db, gate, "block_in_thread")
    await edit(db, job_id, "status = 'Hold'")
    await edit(db, job_id, f"status = 'In Progress', {IN_AN_HOUR}")
    gate.touch()
    await queued_in_an_hour(db, job_id)


@pytest.mark.parametrize("is_named_first", [True, False])
async def test_job_that_is_stopped_waits_in_whatever_order_that_was_written(
    db: Connection, daemon: DaemonProcess, gate: Path, is_named_first: bool
) -> None:
    job_id, needed = await at_work(db, gate, "block_in_thread"), await held(db)
    edits = [f"waits_for = array[{needed}]", "status = 'Queued'"]
    for what in edits if is_named_first else reversed(edits):
        await edit(db, job_id, what)
    gate.touch()
    await waiting_for(db, job_id, needed)


async def test_job_that_is_stopped_after_its_schedule_time_was_set_is_due_then(
    db: Connection, daemon: DaemonProcess, gate: Path
) -> None:
    job_id = await at_work(db, gate, "block_in_thread")
    await edit(db, job_id, IN_AN_HOUR)
    await edit(db, job_id, "status = 'Queued'")
    gate.touch()
    await queued_in_an_hour(db, job_id)


async def test_recursive_job_goes_on_at_the_anchor_that_was_set_during_the_execution(
    db: Connection, daemon: DaemonProcess, gate: Path
) -> None:
    job_id = await at_work(db, gate, "block_in_thread", is_recursive="true")
    await edit(db, job_id, f"{IN_AN_HOUR}, retry_interval = '1 day'")
    gate.touch()
    assert (await queued_in_an_hour(db, job_id))["occurrence"] == 1


@pytest.mark.parametrize("is_killed", [False, True])
async def test_job_of_a_daemon_that_ends_is_not_due_before_its_new_schedule_time(
    db: Connection, start_daemon: NewDaemon, gate: Path, is_killed: bool
) -> None:
    first = start_daemon(shutdown_grace="0 s").ready()
    job_id = await at_work(db, gate)
    await edit(db, job_id, IN_AN_HOUR)
    first.stop(signal.SIGKILL if is_killed else signal.SIGTERM)
    start_daemon().ready()
    found = await queued_in_an_hour(db, job_id)
    assert found["last_execution_status"] == ("lost" if is_killed else "stopped")


async def test_stopped_job_of_a_daemon_that_dies_waits_for_jobs_that_were_named(
    db: Connection, start_daemon: NewDaemon, gate: Path
) -> None:
    first, other = start_daemon().ready(), start_daemon().ready()
    job_id, needed = await at_work(db, gate, "block_in_thread"), await held(db)
    await edit(db, job_id, f"waits_for = array[{needed}]")
    await edit(db, job_id, "status = 'Queued'")
    owner = (await row(db, job_id))["daemon_id"]
    (first if owner == first.wait_for("daemon.ready")["daemon_id"] else other).stop(signal.SIGKILL)
    await waiting_for(db, job_id, needed)
    gate.touch()
    await set_status(db, needed, "In Progress")
    again, first_one = await settled(db, job_id), await settled(db, needed)
    assert again["started_at"] >= first_one["finished_at"]


async def test_job_that_was_run_before_its_time_goes_on_at_once_after_a_restart(
    db: Connection, start_daemon: NewDaemon, gate: Path
) -> None:
    first = start_daemon(shutdown_grace="0 s").ready()
    job_id = await insert(
        db, "reports", json.dumps({"file": str(gate)}), schedule_time="now() + interval '1 hour'"
    )
    await set_status(db, job_id, "In Progress")
    await running(db, job_id)
    first.stop()
    gate.touch()
    start_daemon().ready()
    assert (await settled(db, job_id))["status"] == "Completed"


async def test_job_that_was_claimed_and_not_begun_waits_as_was_written_meanwhile(db: Connection) -> None:
    later, waiter, plain = [await insert(db, "reports") for _ in range(3)]
    needed = await held(db)
    await as_engine(db, "update asyncjob.job set daemon_id = 7, claim_token = 1 where job_name = 'reports'")
    await edit(db, later, IN_AN_HOUR)
    await edit(db, waiter, f"waits_for = array[{needed}]")
    claimed = {"job_ids": [later, waiter, plain], "claim_tokens": [1, 1, 1]}
    async with db.transaction():
        await db.execute("set local asyncjob.engine = 'on'")
        await db.fetch(*DATABASE.query("jobs/hand_back_jobs", **claimed, delay=None))
    await queued_in_an_hour(db, later)
    await waiting_for(db, waiter, 0)
    assert (await row(db, plain))["status"] == "In Progress"
