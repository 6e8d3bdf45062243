"""A schema that differs from what the migrations make is found, and no daemon starts on it."""

import shutil
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.schema import drift as catalogue
from asyncjobd.postgres.schema.drift import Drift, as_text, drift
from asyncjobd.postgres.schema.migrate import SchemaError, check_schema, migrate
from tests.conftest import NewDatabase
from tests.support.daemon import asyncjobd, write_config
from tests.support.jobs import Connection

pytestmark = pytest.mark.anyio

DAMAGE = {
    "drop index asyncjob.job_ready": "index asyncjob.job_ready is missing",
    "alter table asyncjob.job disable trigger zz_job_inserted": "trigger asyncjob.job.zz_job_inserted is different",
    "create or replace function asyncjob.waiting_status(due_at timestamptz) returns asyncjob.status language sql stable"
    " as $$ select 'Queued'::asyncjob.status $$": (
        "function asyncjob.waiting_status(due_at timestamp with time zone) is different"
    ),
    "alter table asyncjob.job alter params drop not null": "column asyncjob.job.params is different",
    "alter table asyncjob.execution drop constraint execution_pkey": (
        "constraint asyncjob.execution.execution_pkey is missing"
    ),
    "alter table asyncjob.job alter parent_id type numeric": "column asyncjob.job.parent_id is different",
    'alter table asyncjob.bucket alter limit_key type text collate "default"': (
        "column asyncjob.bucket.limit_key is different"
    ),
    "create or replace view asyncjob.limits as select name, max_running, max_running_per_key, rate, rate_per_key, burst,"
    " 0 as running, false as saturated, now() as next_start_at from asyncjob.action": (
        "view asyncjob.limits is different"
    ),
    "alter function asyncjob.gate_key strict": "function asyncjob.gate_key(job_name text) is different",
    "alter table asyncjob.execution set unlogged": "table asyncjob.execution is different",
    "alter type asyncjob.status add value 'Paused'": "type asyncjob.status is different",
    "update pg_index set indisvalid = false where indexrelid = 'asyncjob.job_due'::regclass": (
        "index asyncjob.job_due is different"
    ),
    "update pg_index set indisready = false where indexrelid = 'asyncjob.job_due'::regclass": (
        "index asyncjob.job_due is different"
    ),
}


async def found(dsn: str, schema: str = "asyncjob") -> list[Drift]:
    database = Database(DatabaseConfig(dsn=dsn, schema=schema))
    connection = await database.connect("test")
    try:
        return await drift(connection, database)
    finally:
        await connection.close()


async def test_catalogue_of_another_schema_than_the_migrations_make(dsn: str, db: Connection) -> None:
    made = as_text(await catalogue.catalogue(db, Database(DatabaseConfig(dsn=dsn))))
    shipped = Path(catalogue.__file__).with_name(catalogue.FILE).read_text()
    assert shipped == made, "write it anew: python -m tests.support.objects"


@pytest.mark.parametrize("schema", ["work_2", "job", "status", "new"])
async def test_schema_of_another_name_is_not_taken_for_drift(
    new_empty_database: NewDatabase, schema: str
) -> None:
    dsn = new_empty_database()
    await migrate(Database(DatabaseConfig(dsn=dsn, schema=schema)))
    assert await found(dsn, schema) == []


async def test_settings_of_the_session_are_not_taken_for_drift(dsn: str, db: Connection) -> None:
    name = urlsplit(dsn).path[1:]
    for setting in (
        "search_path = asyncjob, public", "datestyle = 'German'", "intervalstyle = 'iso_8601'",
        "quote_all_identifiers = on", "timezone = 'Asia/Tokyo'",
    ):  # fmt: skip
        await db.execute(f"alter database {name} set {setting}")
    assert await found(dsn) == []


async def test_function_that_was_stored_with_quoted_settings_is_not_taken_for_drift(
    dsn: str, db: Connection
) -> None:
    await db.execute(
        "set quote_all_identifiers = on; alter function asyncjob.check_schedule set search_path = pg_catalog, pg_temp"
    )
    stored = "select proconfig[1] from pg_proc where proname = 'check_schedule'"
    assert await db.fetchval(stored) == 'search_path="pg_catalog", "pg_temp"'
    assert await found(dsn) == []


async def test_what_a_site_adds_or_tunes_is_not_taken_for_drift(dsn: str, db: Connection) -> None:
    await db.execute(
        "create index ours on asyncjob.job ((params ->> 'customer')); alter table asyncjob.job add column note text;"
        "create table asyncjob.notes (id bigint); alter table asyncjob.job set (fillfactor = 90)"
    )
    assert await found(dsn) == []


async def test_restored_dump_is_not_taken_for_drift(
    dsn: str, new_empty_database: NewDatabase, postgres_bin: Path
) -> None:
    if not (postgres_bin / "pg_dump").exists():
        pytest.skip("there is no pg_dump of this PostgreSQL")
    server = ["-h", parse_qs(urlsplit(dsn).query)["host"][0], "-U", "postgres"]
    restored = new_empty_database()
    dump = subprocess.run(
        [postgres_bin / "pg_dump", *server, urlsplit(dsn).path[1:]], check=True, capture_output=True
    )
    psql = shutil.which("psql") or postgres_bin / "psql"
    subprocess.run(
        [psql, *server, "-qX", "-v", "ON_ERROR_STOP=1", urlsplit(restored).path[1:]],
        input=dump.stdout, check=True, capture_output=True,
    )  # fmt: skip
    assert await found(restored) == []


@pytest.mark.parametrize("damage", DAMAGE)
async def test_daemon_does_not_start_on_a_schema_that_was_changed(
    dsn: str, db: Connection, damage: str
) -> None:
    await db.execute(damage)
    with pytest.raises(SchemaError) as refused:
        await check_schema(Database(DatabaseConfig(dsn=dsn)), is_engine=True)
    assert str(refused.value) == (
        f"the schema 'asyncjob' is not what its migrations made: {DAMAGE[damage]}: "
        "`asyncjobd doctor` shows what each must be; put them back"
    )
    await check_schema(Database(DatabaseConfig(dsn=dsn)))  # who only looks, or enqueues, goes on


async def test_drift_ends_the_start_with_exit_code_1(dsn: str, db: Connection, tmp_path: Path) -> None:
    await db.execute(
        "drop index asyncjob.job_due, asyncjob.job_ready; drop function asyncjob.job_inserted cascade"
    )
    started = asyncjobd("--config", str(write_config(tmp_path, dsn)), "run")
    assert started.returncode == 1
    for name in (
        "function asyncjob.job_inserted() is missing", "index asyncjob.job_due is missing",
        "index asyncjob.job_ready is missing", "trigger asyncjob.job.zz_job_inserted is missing",
    ):  # fmt: skip
        assert name in started.stderr
    assert "Traceback" not in started.stderr


async def test_replaced_function_is_found_in_a_schema_of_another_name(
    new_empty_database: NewDatabase,
) -> None:
    dsn = new_empty_database()
    await migrate(Database(DatabaseConfig(dsn=dsn, schema="job")))
    db = await asyncpg.connect(dsn)
    await db.execute(
        "create or replace function job.gate_key(job_name text) returns integer language sql immutable as $$ select 1 $$"
    )
    await db.close()
    assert [str(each) for each in await found(dsn, "job")] == [
        "function job.gate_key(job_name text) is different"
    ]
