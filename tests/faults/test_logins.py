"""A login refused after the start is an outage: running jobs go on, and the dsn is read again."""

import json
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.embedded import EmbeddedServer
from asyncjobd.postgres.schema.migrate import migrate
from tests.support.actions import action, isolated
from tests.support.daemon import DaemonProcess, asyncjobd, write_config
from tests.support.handlers import fans_out, succeed
from tests.support.jobs import Connection, insert, row, running, settled
from tests.support.service_manager import ServiceManager

pytestmark = pytest.mark.anyio

REFUSED = 'InvalidPasswordError: password authentication failed for user "worker"'
TERMINATE = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'worker'"


@pytest.fixture
async def server(postgres_bin: Path, tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """A server where the daemon's role, `worker`, logs in by password, at first 'hunter1'."""
    own = EmbeddedServer(tmp_path / "postgres" / "data", postgres_bin, {"fsync": "off"})
    await own.ensure()
    (own.data / "pg_hba.conf").write_text("local all postgres trust\nlocal all all scram-sha-256\n")
    await migrate(Database(DatabaseConfig(dsn=own.dsn)))
    yield own
    DaemonProcess.kill_all()
    await own.stop()


@pytest.fixture
async def db(server: EmbeddedServer) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(server.dsn)
    await connection.execute(
        "select pg_reload_conf(); create role worker login password 'hunter1'; grant usage on schema asyncjob to worker;"
        "grant all on all tables in schema asyncjob to worker"
    )
    yield connection
    await connection.close()


@pytest.fixture
def dsn_with(server: EmbeddedServer) -> Callable[[str], str]:
    return lambda password: server.dsn.replace("postgres@", f"worker:{password}@")


async def blocked(db: Connection, end: Path) -> int:
    """Insert a job that runs until the file exists."""
    job_id = await insert(db, "block_in_thread", json.dumps({"file": str(end)}))
    await running(db, job_id)
    return job_id


async def test_password_that_was_changed_costs_no_job_and_no_restart(
    db: Connection, dsn_with: Callable[[str], str], tmp_path: Path
) -> None:
    end = tmp_path / "end"
    daemon = DaemonProcess(write_config(tmp_path, dsn_with("hunter1"), lease="15 s")).ready()
    ran_on = await blocked(db, end)
    await db.execute("alter role worker password 'hunter2'")
    await db.execute(TERMINATE)
    daemon.wait_for("database.away", reason=REFUSED)
    end.touch()
    meanwhile = await insert(db, "succeed")
    write_config(tmp_path, dsn_with("hunter2"), lease="15 s")
    for job_id in (ran_on, meanwhile):
        assert (await settled(db, job_id))["status"] == "Completed"
    assert (await row(db, ran_on))["execution_total"] == 1
    assert daemon.wait_for("dsn.renewed")["database"].startswith("postgresql://worker:***@")
    assert daemon.stop() == 0
    assert "hunter2" not in daemon.log.read_text()


async def test_password_file_that_was_changed_is_read_anew(
    db: Connection, server: EmbeddedServer, tmp_path: Path
) -> None:
    end, passwords = tmp_path / "end", tmp_path / "passwords"
    passwords.write_text("*:*:*:worker:hunter1\n")
    passwords.chmod(0o600)
    dsn = f"{server.dsn.replace('postgres@', 'worker@')}&passfile={quote(str(passwords))}"
    daemon = DaemonProcess(write_config(tmp_path, dsn, lease="15 s")).ready()
    job_id = await blocked(db, end)
    await db.execute("alter role worker password 'hunter2'")
    await db.execute(TERMINATE)
    daemon.wait_for("database.away", reason=REFUSED)
    passwords.write_text("*:*:*:worker:hunter2\n")
    end.touch()
    assert (await settled(db, job_id))["status"] == "Completed"
    assert daemon.stop() == 0


@pytest.mark.parametrize(
    ("refusing", "reason", "mending"),
    [
        (["alter role worker nologin"], "is not permitted to log in", "alter role worker login"),
        (["revoke connect on database jobs from public"], "permission denied for database",
         "grant connect on database jobs to public"),
        (["alter role worker nologin", TERMINATE, "alter database jobs rename to gone", "alter role worker login"],
         'database "jobs" does not exist', "alter database gone rename to jobs"),
    ],
    ids=["28000", "42501", "3D000"],
)  # fmt: skip
async def test_login_that_is_refused_in_any_way_ends_no_daemon(
    db: Connection,
    dsn_with: Callable[[str], str],
    tmp_path: Path,
    refusing: list[str],
    reason: str,
    mending: str,
) -> None:
    await db.execute("create database jobs template postgres")
    dsn = dsn_with("hunter1").replace("/postgres?", "/jobs?")
    daemon = DaemonProcess(write_config(tmp_path, dsn, lease="3 s")).ready()
    for statement in (*refusing, TERMINATE):
        await db.execute(statement)
    daemon.wait_for("lease.unsure")
    assert any(reason in entry["reason"] for entry in daemon.events("database.away"))
    await db.execute(mending)
    daemon.wait_for("database.back")
    assert daemon.stop() == 0


async def test_dsn_that_cannot_be_used_is_told_once_and_the_old_one_is_kept(
    db: Connection, dsn_with: Callable[[str], str], tmp_path: Path
) -> None:
    config = write_config(tmp_path, dsn_with("hunter1"), lease="15 s")
    daemon = DaemonProcess(config).ready()
    await db.execute("alter role worker password 'hunter2'")
    config.write_text("[database\n")
    await db.execute(TERMINATE)
    assert 'a "]" is missing' in daemon.wait_for("dsn.refused")["reason"]
    write_config(tmp_path, dsn_with("hunter2").replace("/postgres?", "/other?"), lease="15 s")
    another = daemon.wait_for(
        "dsn.refused", reason="[database] dsn: another host or database than before needs a restart"
    )
    daemon.wait_for("database.away", reason=REFUSED)
    assert daemon.events("dsn.refused")[-1] == another
    await db.execute("alter role worker password 'hunter1'")
    assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"
    assert len(daemon.events("dsn.refused", reason=another["reason"])) == 1
    assert daemon.stop() == 0


async def test_daemon_that_gets_no_new_session_goes_on_under_its_lease_and_says_so(
    db: Connection,
    dsn_with: Callable[[str], str],
    server: EmbeddedServer,
    tmp_path: Path,
    service_manager: ServiceManager,
) -> None:
    config = write_config(tmp_path, dsn_with("hunter1"), lease="3 s")
    daemon = DaemonProcess(config, **service_manager.environment).ready()
    job_id = await blocked(db, end := tmp_path / "end")
    await db.execute("alter role worker password 'hunter2'")
    await db.execute(f"{TERMINATE} and application_name = 'asyncjobd claimer'")
    service_manager.wait_for(lambda message: "database away since " in message and REFUSED in message)
    beat = await db.fetchval("select heartbeat from asyncjob.daemon")
    while await db.fetchval("select heartbeat from asyncjob.daemon") < beat + 4:  # more than a lease
        await db.execute("select pg_sleep(0.1)")
    told = " ".join(asyncjobd("--dsn", server.dsn, "doctor").stdout.split())
    assert "it has had no new database session since " in told and REFUSED in told
    assert not daemon.events("lease.unsure")
    end.touch()
    write_config(tmp_path, dsn_with("hunter2"), lease="3 s")
    assert (await settled(db, job_id))["execution_total"] == 1
    assert daemon.stop() == 0


async def test_reload_takes_up_the_dsn_and_so_do_isolated_handlers(
    db: Connection, dsn_with: Callable[[str], str], tmp_path: Path
) -> None:
    actions = {"fans_out": isolated(fans_out), "succeed": action(succeed)}
    daemon = DaemonProcess(write_config(tmp_path, dsn_with("hunter1"), actions)).ready()
    assert (await settled(db, await insert(db, "fans_out", '{"children": 1}')))["status"] == "Completed"
    await db.execute("alter role worker password 'hunter2'")
    write_config(tmp_path, dsn_with("hunter2"), actions)
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for("dsn.renewed")
    assert (await settled(db, await insert(db, "fans_out", '{"children": 1}')))["status"] == "Completed"
    assert not daemon.events("database.away")
    assert daemon.stop() == 0
