"""Settings of a role or a database do not change how the daemon works."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import ENGINE_SETTINGS, Database, Use
from tests.conftest import NewDaemon
from tests.faults import settings_handlers
from tests.support.actions import COMMON, Actions, actions_of
from tests.support.jobs import Connection, insert, row, settled, until

pytestmark = pytest.mark.anyio

SetAll: TypeAlias = Callable[[dict[str, str]], Awaitable[None]]

HOSTILE = {
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "search_path": "nowhere",
    "statement_timeout": "8ms",
    "lock_timeout": "1ms",
    "idle_session_timeout": "300ms",
    "enable_nestloop": "off",
    "enable_indexscan": "off",
    "enable_indexonlyscan": "off",
    "enable_tidscan": "off",
    "enable_sort": "off",
    "enable_hashagg": "off",
    "enable_material": "off",
    "random_page_cost": "10000",
    "cpu_index_tuple_cost": "1000",
    "effective_cache_size": "8kB",
    "join_collapse_limit": "1",
    "from_collapse_limit": "1",
    "datestyle": "German, DMY",
    "intervalstyle": "sql_standard",
    "timezone": "Pacific/Apia",
    "extra_float_digits": "-15",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "on",
    "bytea_output": "escape",
    "plan_cache_mode": "force_custom_plan",
    "geqo_threshold": "2",
    "client_min_messages": "error",
    "jit_above_cost": "0",
    "exit_on_error": "on",
}


@pytest.fixture(scope="module")
def actions() -> Actions:
    return COMMON | actions_of(settings_handlers)


@pytest.fixture
async def set_all(db: Connection) -> SetAll:
    """Change settings for all new sessions."""
    database = await db.fetchval("select current_database()")

    async def apply(settings: dict[str, str]) -> None:
        for name, value in settings.items():
            await db.execute(f"alter database {database} set {name} = '{value}'")

    return apply


async def runs_a_mix(db: Connection) -> None:
    """Run plain, retried, recursive, scheduled, failing, reporting and transactional jobs."""
    await db.execute("create table if not exists public.effect (n integer)")
    retried = await insert(
        db, "answer", '{"answers": ["exception", "success"]}', retry_interval="interval '10 ms'"
    )
    recursive = await insert(
        db,
        "answer",
        '{"answers": ["success", "success", "completed"]}',
        is_recursive="true",
        retry_interval="interval '50 ms'",
    )
    scheduled = await insert(db, "succeed", schedule_time="now() + interval '100 ms'")
    again = {
        "retry_interval": "interval '10 ms'",
        "max_execution_count": "1000",
    }  # the timeout may hit its INSERT
    writes = await insert(db, "writes_and_reports", '{"file": "/"}', **again)
    await db.execute("insert into asyncjob.job (job_name) select 'succeed' from generate_series(1, 2000)")
    for job_id in (retried, recursive, scheduled, writes):
        job = await settled(db, job_id)
        assert job["status"] == "Completed", dict(job)
    assert (await row(db, recursive))["execution_total"] == 3
    assert await db.fetchval("select count(*) from public.effect") == 1
    last = await db.fetchval("select max(id) from asyncjob.job")
    assert (await settled(db, last))["status"] == "Completed"


async def test_jobs_run_under_hostile_settings_of_the_database(
    db: Connection, set_all: SetAll, start_daemon: NewDaemon
) -> None:
    await set_all(HOSTILE)
    daemon = start_daemon(lease="15 s").ready()
    await runs_a_mix(db)
    assert daemon.stop() == 0
    assert not daemon.events("database.away")
    assert not daemon.events("statement.failed")


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
async def test_transaction_whose_progress_is_written_meanwhile_commits_under_any_isolation(
    db: Connection, set_all: SetAll, start_daemon: NewDaemon, tmp_path: Path, isolation: str
) -> None:
    await set_all({"default_transaction_isolation": isolation})
    await db.execute("create table effect (n integer)")
    start_daemon().ready()
    file = tmp_path / "end"
    job_id = await insert(db, "writes_and_reports", f'{{"file": "{file}"}}')
    await until(db, job_id, lambda r: r["progress_message"] == "half")
    file.touch()
    job = await settled(db, job_id)
    assert (job["status"], job["execution_total"]) == ("Completed", 1)


async def test_handler_whose_connection_the_server_ends_says_why(
    db: Connection, set_all: SetAll, start_daemon: NewDaemon
) -> None:
    await set_all({"idle_in_transaction_session_timeout": "100ms"})
    await db.execute("create table effect (n integer)")
    start_daemon().ready()
    job = await settled(db, await insert(db, "writes_and_waits", max_execution_count="1"))
    assert job["message"] == (
        "TransactionLost: the server ended the connection of this transaction; idle_in_transaction_session_timeout is 100ms"
    )
    assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"


async def test_deferred_trigger_of_the_site_runs_under_the_sites_search_path(
    db: Connection, start_daemon: NewDaemon
) -> None:
    await db.execute(
        "create table effect (n integer); create table seen (n integer);"
        "create function note() returns trigger language plpgsql as $$ begin insert into seen values (new.n); return null; end $$;"
        "create constraint trigger note after insert on effect deferrable initially deferred for each row execute function note()"
    )
    start_daemon().ready()
    job = await settled(db, await insert(db, "writes", '{"sql": "insert into effect values (1)"}'))
    assert job["status"] == "Completed", job["message"]
    assert await db.fetchval("select count(*) from seen") == 1


async def test_server_that_takes_no_writes_by_a_setting_names_it(
    db: Connection, set_all: SetAll, start_daemon: NewDaemon
) -> None:
    await set_all({"default_transaction_read_only": "on"})
    daemon = start_daemon()
    told = daemon.wait_for("database.unreachable")["reason"]
    assert "default_transaction_read_only is on for role postgres" in told
    assert daemon.stop() == 0


async def test_row_level_security_switched_on_later_is_reported(
    db: Connection, dsn: str, start_daemon: NewDaemon
) -> None:
    """Otherwise the daemon would see no rows any more, and say nothing."""
    name = dsn.split("/")[3].split("?")[0]
    worker = f"guarded_{name}"
    await db.execute(
        f"create role {worker} login; grant usage on schema asyncjob to {worker};"
        f"grant select, insert, update, delete on all tables in schema asyncjob to {worker}"
    )
    daemon = start_daemon(to=dsn.replace("postgres@", f"{worker}@")).ready()
    assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"
    await db.execute("alter table asyncjob.job enable row level security")
    waiting = await insert(db, "succeed")
    assert "row-level security" in daemon.wait_for("statement.failed")["reason"]
    await db.execute("alter table asyncjob.job disable row level security")
    assert (await settled(db, waiting))["status"] == "Completed"
    assert daemon.stop() == 0
    await db.execute(f"drop owned by {worker}; drop role {worker}")


async def test_plans_are_the_same_under_hostile_settings_of_the_role(db: Connection) -> None:
    """The settings that test_plans.py assumes are those of the engine's sessions."""
    database = await db.fetchval("select current_database()")
    for name, value in HOSTILE.items():
        await db.execute(f"alter database {database} set {name} = '{value}'")
    dsn = f"postgresql://postgres@/{database}?host={await db.fetchval('show unix_socket_directories')}"
    connection = await Database(DatabaseConfig(dsn=dsn)).connect("plans", Use.ENGINE)
    for name, value in ENGINE_SETTINGS.items():
        assert await connection.fetchval("select current_setting($1)", name) in {value, value.lower()}, name
    await connection.close()
