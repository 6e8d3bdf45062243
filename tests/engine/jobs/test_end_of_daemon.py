"""Jobs of a daemon that ends: they run again, and a clean stop costs them no execution."""

import asyncio
import json
import signal
from pathlib import Path

import asyncpg
import pytest

from tests.conftest import NewDaemon
from tests.faults.proxy import Proxy
from tests.support.daemon import DEADLINE
from tests.support.jobs import Connection, executions, insert, row, running, settled, until

pytestmark = pytest.mark.anyio

RECURSIVE = {"is_recursive": "true", "retry_interval": "interval '1 hour'"}


@pytest.mark.parametrize("columns", [{}, RECURSIVE], ids=["one-shot", "recursive"])
async def test_job_of_a_killed_daemon_runs_again_at_once(
    db: Connection, start_daemon: NewDaemon, columns: dict[str, str]
) -> None:
    first = start_daemon().ready()
    job_id = await insert(db, "block", **columns)
    owner = (await running(db, job_id))["daemon_id"]
    first.stop(signal.SIGKILL)
    second = start_daemon().ready()
    second.wait_for("job.rescued", job_id=job_id)
    job = await until(db, job_id, lambda r: r["daemon_id"] not in (None, owner))
    assert (job["execution_count"], job["execution_total"]) == (2, 2)
    assert [e["status"] for e in await executions(db, job_id)] == ["lost"]


async def test_job_that_kills_its_daemon_each_time_ends_failed(
    db: Connection, start_daemon: NewDaemon
) -> None:
    job_id = await insert(db, "block", max_execution_count="1")
    daemon = start_daemon().ready()
    await running(db, job_id)
    daemon.stop(signal.SIGKILL)
    start_daemon().ready()
    job = await settled(db, job_id)
    assert (job["status"], job["last_execution_status"]) == ("Failed", "lost")
    assert "the job may be what kills it" in job["message"]


@pytest.mark.parametrize("columns", [{}, RECURSIVE], ids=["one-shot", "recursive"])
async def test_clean_stop_hands_back_and_charges_nothing(
    db: Connection, start_daemon: NewDaemon, columns: dict[str, str]
) -> None:
    daemon = start_daemon(shutdown_grace="0 s").ready()
    job_id = await insert(db, "block", **columns)
    await running(db, job_id)
    assert daemon.stop() == 0
    job = await row(db, job_id)
    assert (job["status"], job["daemon_id"], job["execution_count"]) == ("In Progress", None, 0)
    assert [e["status"] for e in await executions(db, job_id)] == ["stopped"]
    assert await db.fetchval("select count(*) from asyncjob.daemon") == 0


async def test_claim_that_is_answered_after_the_stop_starts_nothing(
    db: Connection, dsn: str, start_daemon: NewDaemon, proxy: Proxy, tmp_path: Path
) -> None:
    daemon = start_daemon(proxy=proxy, lease="30 s").ready()
    ran_on = await insert(db, "block_in_thread", json.dumps({"file": str(tmp_path / "end")}))
    await running(db, ran_on)
    locker = await asyncpg.connect(dsn)
    async with locker.transaction():
        await locker.execute("lock table asyncjob.job in share mode")
        await db.execute("notify asyncjob, 'ready succeed'")
        await claim_waits(db)
        late = await insert(locker, "succeed")
        proxy.refuses = True
        await db.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and application_name like 'asyncjobd %'"
        )
        daemon.wait_for("database.away")
        daemon.process.send_signal(signal.SIGTERM)
        daemon.wait_for("daemon.stopping")
    await locker.close()
    proxy.heal()
    job = await until(db, late, lambda r: r["started_at"] is not None and r["daemon_id"] is None)
    assert (job["status"], job["execution_count"]) == ("In Progress", 0)
    (tmp_path / "end").touch()
    assert (await settled(db, ran_on))["status"] == "Completed"
    assert daemon.wait() == 0
    assert daemon.events("job.started", job_id=late) == []


async def claim_waits(db: Connection) -> None:
    """Wait until the claim of a daemon waits for a lock."""
    waiting = (
        "select count(*) from pg_stat_activity where application_name = 'asyncjobd claimer'"
        " and wait_event_type = 'Lock' and datname = current_database()"
    )
    async with asyncio.timeout(DEADLINE):
        while not await db.fetchval(waiting):
            await asyncio.sleep(0.01)
