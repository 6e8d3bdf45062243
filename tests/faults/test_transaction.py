"""Writes in a job's transaction exist exactly once, and only with the completion of the job."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.conftest import NewDaemon
from tests.faults import transaction_handlers
from tests.faults.proxy import Proxy
from tests.support.actions import COMMON, Actions, actions_of
from tests.support.daemon import DEADLINE, DaemonProcess
from tests.support.jobs import (
    Connection,
    as_engine,
    executions,
    insert,
    row,
    running,
    set_status,
    settled,
    unowned,
)

pytestmark = pytest.mark.anyio

EFFECT = "insert into effect values (1)"


@pytest.fixture(scope="module")
def actions() -> Actions:
    return COMMON | actions_of(transaction_handlers)


@pytest.fixture(autouse=True)
async def effect(db: Connection) -> None:
    await db.execute("create table effect (n integer)")


async def writes(
    db: Connection, sql: str = EFFECT, columns: dict[str, str] | None = None, **params: Any
) -> int:
    return await insert(db, "writes", json.dumps({"sql": sql, **params}), **(columns or {}))


async def effects(db: Connection) -> int:
    return int(await db.fetchval("select count(*) from effect"))


async def transaction_is(db: Connection, condition: str) -> None:
    """Wait until the handler's connection meets the condition in pg_stat_activity."""
    async with asyncio.timeout(DEADLINE):
        while not await db.fetchval(
            "select count(*) from pg_stat_activity where application_name = 'asyncjobd transaction'"
            f" and datname = current_database() and {condition}"
        ):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("answer", ["success", "completed"])
async def test_writes_are_kept_when_the_job_is_done(
    db: Connection, daemon: DaemonProcess, answer: str
) -> None:
    job_id = await writes(db, answer=answer)
    job = await settled(db, job_id)
    assert (job["status"], job["message"], job["last_execution_status"]) == ("Completed", "answered", answer)
    assert await effects(db) == 1
    assert daemon.wait_for("job.completed", job_id=job_id)["message"] == "answered"


async def test_recursive_job_goes_on_after_its_writes(db: Connection, daemon: DaemonProcess) -> None:
    job_id = await writes(db, columns={"is_recursive": "true", "retry_interval": "'1 hour'"})
    job = await unowned(db, job_id, "Queued")
    assert job["due_at"] > job["now"]
    assert await effects(db) == 1


async def test_recursive_job_whose_transaction_takes_longer_than_its_interval_skips_times(
    db: Connection, daemon: DaemonProcess
) -> None:
    """The transaction's own time, now(), is that of its beginning."""
    columns = {"is_recursive": "true", "retry_interval": "'1 s'", "schedule_time": "now()"}
    job_id = await writes(db, sql="insert into effect select 1 from pg_sleep(2.5)", columns=columns)
    assert daemon.wait_for("job.repeats", job_id=job_id)["skipped"] == 2
    (first, *_) = await executions(db, job_id)
    assert first["finished_at"] - first["started_at"] >= timedelta(seconds=2.5)
    assert (await row(db, job_id))["due_at"] > first["finished_at"]


@pytest.mark.parametrize("answer", ["failed", "fatal_error", "retry_later", "exception"])
async def test_writes_are_undone_when_the_job_is_not_done(
    db: Connection, daemon: DaemonProcess, answer: str
) -> None:
    job = await settled(db, await writes(db, answer=answer, columns={"max_execution_count": "1"}))
    assert job["status"] == "Failed"
    assert await effects(db) == 0


async def test_writes_of_a_job_that_runs_out_of_time_are_undone(
    db: Connection, daemon: DaemonProcess, tmp_path: Path
) -> None:
    columns = {"timeout": "'100 ms'", "max_execution_count": "1"}
    job = await settled(db, await writes(db, file=str(tmp_path / "never"), columns=columns))
    assert job["last_execution_status"] == "timeout"
    assert await effects(db) == 0


async def test_writes_of_a_stopped_job_are_undone(
    db: Connection, daemon: DaemonProcess, tmp_path: Path
) -> None:
    job_id = await writes(db, file=str(tmp_path / "never"))
    await running(db, job_id)
    await set_status(db, job_id, "Hold")
    await unowned(db, job_id, "Hold")
    assert await effects(db) == 0


async def test_writes_after_a_stop_whose_notification_was_lost_are_undone(
    db: Connection, daemon: DaemonProcess, tmp_path: Path
) -> None:
    file = tmp_path / "end"
    job_id = await writes(db, file=str(file))
    await running(db, job_id)
    async with db.transaction():
        await as_engine(
            db, "update asyncjob.job set status = 'Hold', stop_requested = true where id = $1", job_id
        )
        file.touch()
    assert (await unowned(db, job_id, "Hold"))["execution_count"] == 0
    assert await effects(db) == 0


async def test_writes_of_an_execution_that_lost_its_lease_are_undone(
    db: Connection, daemon: DaemonProcess, tmp_path: Path
) -> None:
    file = tmp_path / "end"
    job_id = await writes(db, file=str(file))
    await running(db, job_id)
    async with db.transaction():
        await as_engine(
            db,
            "update asyncjob.job set daemon_id = null, claim_token = null, job_name = 'asleep' where id = $1",
            job_id,
        )
        file.touch()
    daemon.wait_for("job.lost", job_id=job_id)
    assert await effects(db) == 0
    assert (await row(db, job_id))["last_execution_status"] is None


async def test_block_left_by_an_exception_is_undone_and_what_follows_is_kept(
    db: Connection, daemon: DaemonProcess
) -> None:
    job = await settled(db, await writes(db, leave_by_exception=True, again="insert into effect values (2)"))
    assert job["status"] == "Completed"
    assert [r["n"] for r in await db.fetch("select n from effect")] == [2]


async def test_block_entered_again_is_the_same_transaction(db: Connection, daemon: DaemonProcess) -> None:
    job = await settled(
        db, await writes(db, again=EFFECT, answer="failed", columns={"max_execution_count": "1"})
    )
    assert job["status"] == "Failed"
    assert await effects(db) == 0


async def test_concurrent_tasks_of_a_handler_share_its_transaction(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(transactions=2).ready()
    job = await settled(db, await insert(db, "writes_at_once"))
    assert (job["status"], await effects(db)) == ("Completed", 2)


@pytest.mark.parametrize("has_begun", [False, True])
async def test_task_that_outlives_its_handler_begins_no_transaction(
    db: Connection, daemon: DaemonProcess, tmp_path: Path, has_begun: bool
) -> None:
    file = tmp_path / "ended"
    params = {"has_begun": has_begun, "file": str(file)}
    await settled(db, await insert(db, "leaves_a_writer", json.dumps(params)))
    file.touch()
    assert "has ended" in daemon.wait_for("writer.refused")["reason"]
    assert not await db.fetchval(
        "select count(*) from pg_stat_activity where application_name = 'asyncjobd transaction'"
        " and datname = current_database() and state <> 'idle'"
    )
    assert await effects(db) == 0


async def test_handler_that_writes_its_own_rows_status_fails_and_waits_for_its_retry(
    db: Connection, daemon: DaemonProcess
) -> None:
    job_id = await writes(
        db, "update asyncjob.job set status = 'Hold' where job_name = 'writes'", again=EFFECT
    )
    job = await unowned(db, job_id, "Queued")
    assert (job["last_execution_status"], job["execution_total"], await effects(db)) == ("failed", 1, 0)
    assert "the handler wrote the status of its own row" in job["message"]
    assert job["due_at"] > job["now"]


async def test_role_set_by_one_handler_does_not_reach_the_next(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(transactions=1).ready()
    await db.execute(
        "do $$ begin create role boss superuser; exception when duplicate_object or unique_violation then null; end $$"
    )
    await settled(db, await writes(db, "insert into effect select 1 from set_config('role', 'boss', false)"))
    await settled(db, await writes(db, "insert into effect select 2 where current_user = 'boss'"))
    assert await db.fetch("select n from effect") == [(1,)]


async def test_constraint_that_fails_at_the_commit_fails_the_job(
    db: Connection, daemon: DaemonProcess
) -> None:
    await db.execute("alter table effect add unique (n) deferrable initially deferred")
    job = await settled(db, await writes(db, again=EFFECT, columns={"max_execution_count": "1"}))
    assert job["status"] == "Failed"
    assert "UniqueViolationError" in job["message"]
    assert await effects(db) == 0


async def test_connection_lost_in_the_transaction_fails_the_execution(
    db: Connection, daemon: DaemonProcess, tmp_path: Path
) -> None:
    file = tmp_path / "end"
    job_id = await writes(db, file=str(file), columns={"retry_interval": "'10 ms'"})
    await transaction_is(db, "state = 'idle in transaction' and query like 'insert%'")
    await db.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'asyncjobd transaction'"
        " and datname = current_database()"
    )
    file.touch()
    assert (await settled(db, job_id))["status"] == "Completed"
    assert [e["status"] for e in await executions(db, job_id)] == ["failed"]
    assert await effects(db) == 1


async def test_commit_whose_reply_was_lost_is_reported_as_a_success(
    db: Connection, start_daemon: NewDaemon, proxy: Proxy
) -> None:
    daemon = start_daemon(proxy=proxy, lease="15 s").ready()
    proxy.swallows = b"COMMIT\0"  # as the server answers
    job_id = await writes(db)
    async with asyncio.timeout(DEADLINE):
        while proxy.swallows is not None:
            await asyncio.sleep(0.01)
    proxy.cut()
    job = await settled(db, job_id)
    assert (job["status"], job["execution_total"]) == ("Completed", 1)
    assert await effects(db) == 1
    assert daemon.wait_for("job.completed", job_id=job_id)["outcome"] == "success"


async def test_handlers_beyond_the_number_of_transactions_wait_for_one(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(transactions=1).ready()
    jobs = [await writes(db) for _ in range(20)]
    for job_id in jobs:
        assert (await settled(db, job_id))["status"] == "Completed"
    assert await effects(db) == 20


async def test_commit_whose_reply_was_lost_frees_its_slot_after_a_while(
    db: Connection, start_daemon: NewDaemon, proxy: Proxy
) -> None:
    start_daemon(proxy=proxy, lease="15 s", concurrency=1).ready()
    proxy.swallows = b"COMMIT\0"  # as the server answers
    job_id = await insert(db, "writes", '{"sql": "insert into effect values (1)"}')
    job = await settled(db, job_id)
    assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"
    assert (job["status"], await effects(db)) == ("Completed", 1)


async def test_task_that_outlives_its_handler_writes_into_no_other_jobs_transaction(
    db: Connection, start_daemon: NewDaemon, tmp_path: Path
) -> None:
    daemon = start_daemon(transactions=1).ready()
    write, end = tmp_path / "write", tmp_path / "end"
    first = await insert(db, "leaves_its_connection", json.dumps({"file": str(write)}))
    assert (await settled(db, first))["status"] == "Completed"
    other = await writes(db, "insert into effect values (2)", file=str(end))
    await transaction_is(db, "state = 'idle in transaction' and query like 'insert%(2)'")
    write.touch()
    daemon.wait_for("write.refused", reason="the handler that this connection was for has ended")
    async with asyncio.timeout(DEADLINE):
        while len(daemon.events("write.refused")) < 2:
            await asyncio.sleep(0.01)
    end.touch()
    assert (await settled(db, other))["status"] == "Completed"
    assert [n for (n,) in await db.fetch("select n from effect")] == [2]


async def test_block_that_a_task_leaves_after_its_handler_undoes_nothing(
    db: Connection, daemon: DaemonProcess, dsn: str, tmp_path: Path
) -> None:
    end, leave = tmp_path / "end", tmp_path / "leave"
    job_id = await insert(db, "leaves_a_block", json.dumps({"return": str(end), "leave": str(leave)}))
    await running(db, job_id)
    client = await asyncpg.connect(dsn)
    async with client.transaction():
        await client.execute("select from asyncjob.job where id = $1 for update", job_id)
        end.touch()
        daemon.wait_for("handler.returns", job_id=job_id)
        leave.touch()
        daemon.wait_for("block.left", job_id=job_id)
    await client.close()
    assert (await settled(db, job_id))["status"] == "Completed"
    assert [n for (n,) in await db.fetch("select n from effect")] == [1]
