"""A dump of the jobs alone is restored into a migrated database, and a daemon finishes its jobs."""

import os
import signal
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.schema.migrate import migrate
from tests.conftest import NewDaemon, NewDatabase
from tests.docs.snippets import named
from tests.support.actions import action
from tests.support.handlers import succeed
from tests.support.jobs import Connection, insert, row, running, settled, unowned

pytestmark = pytest.mark.anyio

OWNER = "restorer"  # no superuser


@pytest.fixture
async def new_dsn(new_empty_database: NewDatabase, db: Connection) -> str:
    """The dsn of a second database with the schema, as its owner."""
    dsn = new_empty_database()
    await db.execute(
        f"do $$ begin create role {OWNER} login; exception when duplicate_object or unique_violation then null; end $$;"
        f"alter database {urlsplit(dsn).path[1:]} owner to {OWNER}"
    )
    dsn = dsn.replace("postgres@", f"{OWNER}@")
    await migrate(Database(DatabaseConfig(dsn=dsn)))
    return dsn


async def contents(db: Connection) -> dict[str, list[asyncpg.Record]]:
    return {
        table: await db.fetch(f"select * from asyncjob.{table} as t order by t")
        for table in ("job", "execution", "daemon", "action")
    }


@pytest.mark.parametrize("what", ["--schema=asyncjob ", ""])
async def test_jobs_restored_without_a_superuser_are_as_they_were_and_go_on(
    what: str,
    dsn: str,
    db: Connection,
    new_dsn: str,
    start_daemon: NewDaemon,
    postgres_bin: Path,
    tmp_path: Path,
) -> None:
    if not (postgres_bin / "pg_dump").exists():
        pytest.skip("there is no pg_dump of this PostgreSQL")
    daemon = start_daemon(lease="1 s").ready()
    hourly = {"is_recursive": "true", "retry_interval": "interval '1 hour'"}
    failed = await settled(
        db, await insert(db, "raises", max_execution_count="2", retry_interval="interval '1 ms'")
    )
    recursive = await unowned(db, await insert(db, "succeed", **hourly), "Queued")
    held = await insert(db, "succeed", status="'Hold'")
    cut_off = await insert(db, "block")
    await running(db, cut_off)
    daemon.stop(signal.SIGKILL)
    waits = {
        "ready": await insert(db, "succeed"),
        "queued": await insert(db, "succeed", schedule_time="now() + interval '1 s'"),
    }

    commands = named("move-jobs").text
    restored = subprocess.run(
        ["bash", "-euc", commands.replace("--schema=asyncjob ", what)], capture_output=True, text=True, cwd=tmp_path,
        env=os.environ | {"PATH": f"{postgres_bin}:{os.environ['PATH']}", "OLD": dsn, "NEW": new_dsn},
    )  # fmt: skip
    assert restored.returncode == 0, restored.stderr

    new_db = await asyncpg.connect(new_dsn)
    try:
        assert await contents(new_db) == await contents(db)
        start_daemon(to=new_dsn, actions={name: action(succeed) for name in ("succeed", "block")}).ready()
        for job_id in waits.values():
            assert (await settled(new_db, job_id))["status"] == "Completed"
        again = await settled(new_db, cut_off)
        assert (again["status"], again["execution_count"], again["execution_total"]) == ("Completed", 2, 2)
        for job_id in (held, recursive["id"]):
            await new_db.execute("update asyncjob.job set status = 'In Progress' where id = $1", job_id)
        assert (await settled(new_db, held))["status"] == "Completed"
        assert (await unowned(new_db, recursive["id"], "Queued"))["due_at"] >= recursive["due_at"]
        assert (await row(new_db, failed["id"]))["message"] == failed["message"]
        assert await insert(new_db, "succeed") == waits["queued"] + 1
    finally:
        await new_db.close()
