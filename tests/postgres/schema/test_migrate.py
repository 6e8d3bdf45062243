"""Migrations, the schema's name, and what roles may do."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.schema.migrate import SchemaError, check_schema, migrate
from asyncjobd.postgres.schema.migration import migrations
from tests.conftest import NewDatabase
from tests.postgres.schema.conftest import NEXT, NEXT_SQL
from tests.support.daemon import DaemonProcess, asyncjobd, write_config
from tests.support.jobs import Connection, insert, settled

pytestmark = pytest.mark.anyio


def test_migrate_is_safe_to_run_twice(new_empty_database: NewDatabase) -> None:
    dsn = new_empty_database()
    first, second = asyncjobd("--dsn", dsn, "migrate"), asyncjobd("--dsn", dsn, "migrate")
    applied = "".join(f"applied {each.version:04} {each.name}\n" for each in migrations())
    assert (first.returncode, first.stdout) == (0, applied)
    assert (second.returncode, second.stdout) == (0, "the schema 'asyncjob' is up to date\n")


async def test_plan_is_what_migrate_does_and_changes_nothing(
    new_empty_database: NewDatabase, next_version: dict[str, str]
) -> None:
    dsn = new_empty_database()
    planned = asyncjobd("--dsn", dsn, "migrate", "--plan")
    assert planned.returncode == 0, planned.stderr
    for migration in migrations():
        assert f"-- migration {migration.version:04} {migration.name}\n{migration.sql}" in planned.stdout
    db = await asyncpg.connect(dsn)
    try:
        assert await db.fetchval("select to_regnamespace('asyncjob')") is None
        await db.execute(planned.stdout)
        await check_schema(Database(DatabaseConfig(dsn=dsn)), is_engine=True)
        assert (
            asyncjobd("--dsn", dsn, "migrate", "--plan").stdout == "-- the schema 'asyncjob' is up to date\n"
        )
        rest = asyncjobd("--dsn", dsn, "migrate", "--plan", **next_version).stdout
        assert rest.startswith(
            "begin;\nset local search_path = pg_catalog, pg_temp;\nset local quote_all_identifiers = off;\n"
            f"-- migration {NEXT:04} note\n{NEXT_SQL}"
        )
        assert await db.fetchval("select max(version) from asyncjob.migration") == NEXT - 1
        await db.execute(rest)
        assert asyncjobd("--dsn", dsn, "migrate", **next_version).stdout.endswith("is up to date\n")
    finally:
        await db.close()


@pytest.mark.parametrize("is_planned", [False, True])
async def test_functions_are_stored_alike_where_all_identifiers_are_quoted(
    new_empty_database: NewDatabase, *, is_planned: bool
) -> None:
    dsn = new_empty_database()
    db = await asyncpg.connect(dsn)
    await db.execute(f"alter database {urlsplit(dsn).path[1:]} set quote_all_identifiers = on")
    made = asyncjobd("--dsn", dsn, "migrate", *(["--plan"] if is_planned else []))
    await db.execute(f"set quote_all_identifiers = on; {made.stdout if is_planned else ''}")
    stored = await db.fetch(
        "select distinct proconfig[1] from pg_proc where pronamespace = 'asyncjob'::regnamespace"
        " and proconfig is not null"
    )
    assert [row[0] for row in stored] == ["search_path=pg_catalog, pg_temp"]
    await db.close()


def test_plan_makes_no_embedded_server(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[database]\ndata_directory = "{tmp_path}/data"\n')
    planned = asyncjobd("--config", str(config), "migrate", "--plan")
    assert planned.returncode == 69
    assert "there is no embedded server at" in planned.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["config.toml"]


async def test_only_what_is_not_applied_yet_is_applied(
    dsn: str, db: Connection, next_version: dict[str, str]
) -> None:
    applied = await db.fetch("select * from asyncjob.migration")
    assert asyncjobd("--dsn", dsn, "migrate", **next_version).stdout == f"applied {NEXT:04} note\n"
    assert await db.fetchval("select note from asyncjob.job") is None
    *before, last = await db.fetch("select * from asyncjob.migration order by version")
    assert (before, last["version"], last["name"]) == (applied, NEXT, "note")
    assert "is at version" in asyncjobd("--dsn", dsn, "list").stderr


async def test_schema_of_an_older_version_is_refused(dsn: str, next_version: dict[str, str]) -> None:
    done = asyncjobd("--dsn", dsn, "list", **next_version)
    assert (done.returncode, done.stderr) == (
        1,
        f"Error: the schema 'asyncjob' is at version {NEXT - 1}, this asyncjobd needs {NEXT}: run `asyncjobd migrate`\n",
    )


async def test_migrations_from_many_processes_at_once_are_applied_once(
    new_empty_database: NewDatabase,
) -> None:
    database = Database(DatabaseConfig(dsn=new_empty_database()))
    applied = await asyncio.gather(*(migrate(database) for _ in range(5)))
    assert sorted(len(each) for each in applied) == [0, 0, 0, 0, len(migrations())]


async def test_schema_of_a_newer_version_is_refused(dsn: str, db: Connection) -> None:
    await db.execute("insert into asyncjob.migration (version, name, digest) values (99, 'future', '')")
    with pytest.raises(
        SchemaError,
        match=f"is at version 99, this asyncjobd knows {migrations()[-1].version}: upgrade asyncjobd",
    ):
        await check_schema(Database(DatabaseConfig(dsn=dsn)))
    for command in (["migrate"], ["migrate", "--plan"]):
        done = asyncjobd("--dsn", dsn, *command)
        assert done.returncode == 1
        assert "upgrade asyncjobd" in done.stderr


async def test_schema_made_by_an_edited_migration_is_refused(dsn: str, db: Connection) -> None:
    await db.execute("update asyncjob.migration set digest = 'another'")
    for check in (check_schema, migrate):
        with pytest.raises(
            SchemaError, match=r"was made by another version 1 \('schema'\) than this asyncjobd has"
        ):
            await check(Database(DatabaseConfig(dsn=dsn)))


async def test_demo_renews_what_an_earlier_one_left(dsn: str, db: Connection, tmp_path: Path) -> None:
    await db.execute(
        "create schema asyncjob_demo; create table asyncjob_demo.migration (version integer primary key, name text);"
        "insert into asyncjob_demo.migration values (1, 'jobs')"
    )
    (tmp_path / "file").write_text("text")
    ran = asyncjobd("--dsn", dsn, "demo", str(tmp_path))
    assert "1 file Completed, 0 Failed" in ran.stdout, ran.stderr


async def test_schema_of_another_name_works_the_same(new_empty_database: NewDatabase, tmp_path: Path) -> None:
    dsn = new_empty_database()
    await migrate(Database(DatabaseConfig(dsn=dsn, schema="work_2")))
    daemon = DaemonProcess(write_config(tmp_path, dsn, schema="work_2")).ready()
    db = await asyncpg.connect(dsn)
    try:
        assert await db.fetchval("select to_regnamespace('asyncjob')") is None
        job_id = await db.fetchval(
            "insert into work_2.job (job_name, schedule_time) values ('succeed', now() + interval '100 ms') returning id"
        )
        assert daemon.wait_for("job.completed", job_id=job_id)["status"] == "Completed"
        blocked = await db.fetchval("insert into work_2.job (job_name) values ('block') returning id")
        daemon.wait_for("job.started", job_id=blocked)
        await db.execute("update work_2.job set status = 'Hold' where id = $1", blocked)
        daemon.wait_for("job.stopped", job_id=blocked)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="belongs to the daemon"):
            await db.execute("update work_2.job set claim_token = 1")
    finally:
        await db.close()
        daemon.stop()


async def test_producer_may_do_what_is_a_clients_and_nothing_else(
    db: Connection, daemon: DaemonProcess
) -> None:
    await db.execute("set role asyncjob_producer")
    job_id = await insert(db, "succeed")
    job = await settled(db, job_id)
    assert job["created_by"] == "postgres"  # who logged in
    await db.execute("update asyncjob.job set status = 'Queued' where id = $1", job_id)
    await settled(db, job_id)
    await db.execute("set asyncjob.engine = 'on'")  # which counts for daemons alone
    for forbidden in (
        f"update asyncjob.job set daemon_id = 1 where id = {job_id}",
        "delete from asyncjob.execution",
        "delete from asyncjob.daemon",
        "update asyncjob.action set is_active = false",
        "truncate asyncjob.job",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await db.execute(forbidden)
    await db.execute("delete from asyncjob.job where id = $1", job_id)


async def test_nobody_can_write_history(db: Connection) -> None:
    functions = await db.fetch(
        "select proname from pg_proc where pronamespace = 'asyncjob'::regnamespace and prosecdef and prorettype <> 'trigger'::regtype"
    )
    assert functions == []


async def test_trigger_of_a_foreign_table_does_not_run_with_the_owners_rights(db: Connection) -> None:
    job_id = await insert(db, "succeed", status="'Hold'")
    await db.execute(
        "do $$ begin create role forger in role asyncjob_reader; exception when duplicate_object or unique_violation then null; end $$;"
        "create schema forger authorization forger; set role forger; create table forger.job (like asyncjob.job)"
    )
    attach = (
        "create trigger forges before update on forger.job for each row"
        " execute function asyncjob.job_updated_by_client()"
    )
    with pytest.raises(
        asyncpg.InsufficientPrivilegeError, match=r"denied for function asyncjob\.job_updated_by_client"
    ):
        await db.execute(attach)
    await db.execute(f"reset role; {attach}; set role forger")
    await db.execute(
        "insert into forger.job (id, job_name, params, status, priority, due_at, execution_count, execution_total, created_at,"
        " created_by, occurrence, stop_requested, last_execution_status)"
        " values ($1, '', '{}', 'Failed', 0, now(), 0, 7, now(), '', 0, false, 'x')",
        job_id,
    )
    with pytest.raises(
        asyncpg.InsufficientPrivilegeError, match=r"forger\.job: this trigger is for asyncjob\.job alone"
    ):
        await db.execute("update forger.job set message = 'forged'")
    assert await db.fetch("select * from asyncjob.execution") == []


async def test_reader_may_only_read(db: Connection) -> None:
    await db.execute("set role asyncjob_reader")
    for table in ("job", "execution", "daemon", "action"):
        await db.fetch(f"select * from asyncjob.{table}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await insert(db, "succeed")
