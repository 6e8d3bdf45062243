"""Ended jobs are deleted when they are older than they are kept; nothing else is deleted."""

from pathlib import Path

import pytest

from asyncjobd.config.errors import ConfigError
from asyncjobd.config.load import load_config
from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from tests.conftest import NewDaemon
from tests.support.daemon import write_config
from tests.support.jobs import Connection, as_engine, executions, insert, row, set_status, settled

pytestmark = pytest.mark.anyio

DAYS_AGO = "now() - {days} * interval '1 day'"


async def ended(db: Connection, status: str, days: int) -> None:
    await db.execute(
        f"insert into asyncjob.job (job_name, status) select 'old', '{status}' from generate_series(1, 1500)"
    )
    await as_engine(
        db,
        f"update asyncjob.job set created_at = {DAYS_AGO.format(days=days)}, finished_at = {DAYS_AGO.format(days=days)}"
        " where job_name = 'old' and created_at > now() - interval '1 minute'",
    )


async def test_jobs_are_deleted_by_status_and_age(db: Connection, start_daemon: NewDaemon) -> None:
    waiting = await insert(db, "succeed", schedule_time="now() + interval '1 day'")
    held = await insert(db, "succeed", status="'Hold'")
    await as_engine(db, f"update asyncjob.job set created_at = {DAYS_AGO.format(days=400)}")
    for status, days in (("Completed", 20), ("Failed", 20), ("Completed", 5), ("Failed", 100)):
        await ended(db, status, days)
    daemon = start_daemon(retention={"completed": "10 days", "failed": "30 days"}).ready()
    assert daemon.wait_for("jobs.deleted")["count"] == 3000
    left = await db.fetch(
        "select status::text, count(*), max(now() - finished_at)::text as age from asyncjob.job"
        " where job_name = 'old' group by status order by status"
    )
    assert [(r["status"], r["count"], r["age"].split(" days")[0]) for r in left] == [
        ("Completed", 1500, "5"),
        ("Failed", 1500, "20"),
    ]
    assert (await row(db, waiting))["status"] == "Queued"
    assert (await row(db, held))["status"] == "Hold"


async def test_history_goes_with_its_job(db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon().ready()
    params = '{"answers": ["exception", "success"]}'
    job_id = (await settled(db, await insert(db, "answer", params, retry_interval="interval '10 ms'")))["id"]
    assert len(await executions(db, job_id)) == 1
    assert daemon.stop() == 0
    await as_engine(db, "update asyncjob.job set created_at = now() - interval '2 h'")
    await as_engine(db, "update asyncjob.job set finished_at = created_at")
    start_daemon(retention={"completed": "1 h"}).wait_for("jobs.deleted", count=1)
    assert await executions(db, job_id) == []


async def test_old_executions_of_a_job_that_goes_on_are_deleted(
    db: Connection, start_daemon: NewDaemon
) -> None:
    job_id = await insert(db, "unheard_of", status="'Hold'")
    await db.execute(
        "insert into asyncjob.execution (job_id, number, finished_at, status)"
        " select $1, n, now() - n * interval '1 day', 'success' from generate_series(1, 1500) n",
        job_id,
    )
    start_daemon(retention={"executions": "10.5 days"}).wait_for("executions.deleted", count=1490)
    assert [each["number"] for each in await executions(db, job_id)] == list(range(1, 11))
    assert (await row(db, job_id))["status"] == "Hold"


async def test_what_others_still_ask_for_is_kept(db: Connection, start_daemon: NewDaemon) -> None:
    """The children of a parent that waits for them and has not ended, and the job that a row watches."""
    parent = await insert(db, "succeed", waits_for_children="true", status="'Hold'")
    other = await insert(db, "succeed", status="'Hold'")
    child = await insert(db, "old", status="'Completed'", parent_id=str(parent))
    await insert(db, "old", status="'Completed'", parent_id=str(other))
    watched = await insert(db, "old", status="'Failed'")
    await insert(db, "old", status="'Failed'")
    waits = await insert(db, "succeed", waits_for=f"array[{watched}]::bigint[]")
    await as_engine(db, "update asyncjob.job set waits_on = $2 where id = $1", waits, watched)
    await as_engine(db, "update asyncjob.job set created_at = now() - interval '2 h'")
    await as_engine(db, "update asyncjob.job set finished_at = created_at where job_name = 'old'")
    database = Database(DatabaseConfig())
    ids = list(range(1, waits + 1))
    deleted = await db.fetch(
        *database.query("upkeep/delete_jobs", keep_completed="1 h", keep_failed="1 h", job_ids=ids)
    )
    assert [row["id"] for row in deleted] == [child + 1, watched + 1]
    await set_status(db, parent, "Failed")
    start_daemon(retention={"completed": "1 h", "failed": "1 h"}).wait_for("jobs.deleted")
    assert await db.fetchval("select count(*) from asyncjob.job where id = $1", child) == 0


def test_retention_that_is_no_duration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'\[retention\] failed: "soon" is not a duration'):
        load_config(write_config(tmp_path, "", retention={"failed": "soon"}))
