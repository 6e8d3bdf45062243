"""Jobs of a daemon that ends: they run again, and a clean stop costs them no execution."""

import signal

import pytest

from tests.conftest import NewDaemon
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
