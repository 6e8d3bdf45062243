"""Producers, readers and operators have their documented rights, whoever made the roles; missing grants are named."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import pytest

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.schema.migrate import migrate
from asyncjobd.postgres.statement import load_statement, query_names
from tests.conftest import NewDatabase
from tests.support.daemon import asyncjobd
from tests.support.jobs import Connection, insert, set_status

pytestmark = pytest.mark.anyio

SCHEDULE = "insert into asyncjob.schedule (name, cron, job_name) values ('a', '@daily', 'a')"
ROLES = ("asyncjob_producer", "asyncjob_reader", "asyncjob_operator")


@asynccontextmanager
async def connected(dsn: str, role: str | None = None) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(dsn)
    try:
        if role is not None:
            await connection.execute(f"set role {role}")
        yield connection
    finally:
        await connection.close()


async def make_roles(db: Connection, *names: str) -> None:
    for name in names:
        if not await db.fetchval("select exists (select from pg_roles where rolname = $1)", name):
            await db.execute(f"create role {name}")


async def owned_by_another(dsn: str) -> str:
    """The dsn of a role that owns the database and may not create roles."""
    name = urlsplit(dsn).path[1:]
    async with connected(dsn) as db:
        await db.execute(f"create role {name}_owner login; alter database {name} owner to {name}_owner")
    return dsn.replace("postgres@", f"{name}_owner@")


@pytest.fixture
async def owner_dsn(new_empty_database: NewDatabase) -> str:
    return await owned_by_another(new_empty_database())


def of_superuser(dsn: str) -> str:
    return dsn.replace(f"{urlsplit(dsn).username}@", "postgres@", 1)


async def work_as_producer(dsn: str) -> None:
    """Do everything that a client may do."""
    async with connected(of_superuser(dsn), "asyncjob_producer") as producer:
        job_id = await insert(producer, "succeed")
        await insert(producer, "succeed", schedule_time="now() + interval '1 second'")
        await producer.execute(
            "insert into asyncjob.job (job_name, status) select 'a', 'Hold' from generate_series(1, 9)"
        )
        for status in ("Queued", "Hold", "In Progress", "Failed", "In Progress"):
            await set_status(producer, job_id, status)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="belongs to the daemon: message"):
            await producer.execute("update asyncjob.job set message = 'x' where id = $1", job_id)
        await producer.execute("select nextval('asyncjob.job_id_seq')")
        await producer.execute("delete from asyncjob.job where id = $1", job_id)
    async with connected(of_superuser(dsn), "asyncjob_reader") as reader:
        for table in (
            "job",
            "execution",
            "daemon",
            "action",
            "bucket",
            "rollup",
            "limits",
            "schedule",
            "migration",
        ):
            await reader.fetch(f"select * from asyncjob.{table}")
    async with connected(of_superuser(dsn), "asyncjob_operator") as operator:
        await operator.execute(
            "update asyncjob.action set paused_until = 'infinity', max_running_per_daemon = 1, max_running = 1,"
            " max_running_per_key = 1, rate = '1 per day', rate_per_key = '1 per day', burst = 1"
        )
        await operator.execute("update asyncjob.daemon set is_draining = true")
        await operator.execute(SCHEDULE)
        await operator.execute("update asyncjob.schedule set next_at = now(); delete from asyncjob.schedule")


@pytest.mark.parametrize(
    "statement",
    [
        "update asyncjob.action set paused_until = 'infinity'",
        "update asyncjob.action set max_running_per_daemon = 1",
        "update asyncjob.action set max_running = 1",
        "update asyncjob.action set max_running_per_key = 1",
        "update asyncjob.action set rate = '1 per day'",
        "update asyncjob.action set rate_per_key = '1 per day'",
        "update asyncjob.action set burst = 1",
        "update asyncjob.daemon set is_draining = true",
        SCHEDULE,
        "update asyncjob.schedule set paused_until = 'infinity'",
        "delete from asyncjob.schedule",
    ],
)
@pytest.mark.parametrize("role", ["asyncjob_producer", "asyncjob_reader"])
async def test_only_operators_control_daemons(dsn: str, db: Connection, role: str, statement: str) -> None:
    async with connected(dsn, role) as client:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await client.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "update asyncjob.action set is_active = false",
        "update asyncjob.action set paused_by = 'somebody'",
        "update asyncjob.action set configured = '{}'",
        "update asyncjob.bucket set free_at = now()",
        "delete from asyncjob.rollup",
        "update asyncjob.daemon set heartbeat_at = now()",
        "insert into asyncjob.job (job_name) values ('a')",
    ],
)
async def test_operators_write_nothing_else(dsn: str, db: Connection, statement: str) -> None:
    async with connected(dsn, "asyncjob_operator") as operator:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await operator.execute(statement)


async def test_roles_made_before_by_somebody_else_get_their_rights(owner_dsn: str) -> None:
    async with connected(of_superuser(owner_dsn)) as db:
        await make_roles(db, *ROLES)
    migrated = asyncjobd("--dsn", owner_dsn, "migrate")
    assert (migrated.returncode, migrated.stderr) == (0, "")
    await work_as_producer(owner_dsn)


async def test_roles_that_could_not_be_made_are_said_and_get_their_rights_later(owner_dsn: str) -> None:
    name = urlsplit(owner_dsn).path[1:]
    schema, owner = f"of_{name}", f"{name}_owner"
    database = Database(DatabaseConfig(dsn=owner_dsn, schema=schema))
    heard: list[str] = []
    await migrate(database, heard.append)
    assert heard == [
        f"role {schema}_{what} is missing, and {owner} may not create roles. "
        f"As a superuser: create role {schema}_{what}; then as {owner}: select {schema}.grant_rights()"
        for what in ("producer", "reader", "operator")
    ]
    async with connected(of_superuser(owner_dsn)) as db:
        await make_roles(db, f"{schema}_producer", f"{schema}_reader", f"{schema}_operator")
    async with connected(owner_dsn) as owns:
        await owns.execute(f"select {schema}.grant_rights()")
    async with connected(of_superuser(owner_dsn), f"{schema}_producer") as producer:
        await producer.execute(f"insert into {schema}.job (job_name) values ('a')")
    async with connected(of_superuser(owner_dsn), f"{schema}_reader") as reader:
        assert await reader.fetchval(f"select count(*) from {schema}.job") == 1


async def test_warnings_of_a_migration_are_printed(owner_dsn: str) -> None:
    """The schema belongs to another role, which alone may let others into it."""
    name = urlsplit(owner_dsn).path[1:]
    async with connected(of_superuser(owner_dsn)) as db:
        await make_roles(db, *ROLES)
        await db.execute(f"create schema asyncjob; grant usage, create on schema asyncjob to {name}_owner")
    migrated = asyncjobd("--dsn", owner_dsn, "migrate")
    assert migrated.returncode == 0
    lines = migrated.stderr.splitlines()
    assert lines == [
        f"Warning: {name}_owner may not grant usage on schema asyncjob to {role}. "
        f"As postgres: grant usage on schema asyncjob to {role}"
        for role in ROLES
    ]
    async with connected(of_superuser(owner_dsn)) as db:
        for line in lines:
            await db.execute(line.rpartition("As postgres: ")[2])
    await work_as_producer(owner_dsn)


async def test_producers_may_insert_where_nothing_is_granted_to_all(new_empty_database: NewDatabase) -> None:
    dsn = new_empty_database()
    async with connected(dsn) as db:
        await db.execute(
            "alter default privileges revoke execute on functions from public;"
            "alter default privileges revoke usage on types from public"
        )
    assert asyncjobd("--dsn", dsn, "migrate").returncode == 0
    await work_as_producer(dsn)


async def test_what_a_site_keeps_in_the_schema_is_not_granted(dsn: str, db: Connection) -> None:
    await db.execute(
        "create table asyncjob.secret (); create function asyncjob.theirs() returns int security definer language sql"
        " as 'select 1'; revoke execute on function asyncjob.theirs from public; select asyncjob.grant_rights()"
    )
    for statement in ("select * from asyncjob.secret", "select asyncjob.theirs()"):
        async with connected(dsn, "asyncjob_producer") as producer:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await producer.execute(statement)


async def test_command_that_is_denied_names_the_role_that_gives_the_right(dsn: str, db: Connection) -> None:
    name = urlsplit(dsn).path[1:]
    await db.execute(
        f"create role {name}_shop login; create role {name}_viewer login in role asyncjob_reader"
    )
    shop = dsn.replace("postgres@", f"{name}_shop@", 1)
    for command in (["enqueue", "succeed"], ["list"], ["status"]):
        done = asyncjobd("--dsn", shop, *command)
        assert done.returncode == 1
        assert f"permission denied for schema asyncjob: grant asyncjob_producer to {name}_shop" in done.stderr
    held = asyncjobd("--dsn", dsn.replace("postgres@", f"{name}_viewer@", 1), "enqueue", "succeed")
    assert f"permission denied for table job: grant asyncjob_producer to {name}_viewer" in held.stderr
    await db.execute(f"grant asyncjob_producer to {name}_shop")
    assert asyncjobd("--dsn", shop, "enqueue", "succeed").returncode == 0


async def test_migrate_as_somebody_else_says_who_is_to_run_it(
    dsn: str, db: Connection, new_empty_database: NewDatabase
) -> None:
    empty, name = new_empty_database(), urlsplit(dsn).path[1:]
    await db.execute(f"create role {name}_other login")
    for place in (dsn, empty):
        done = asyncjobd("--dsn", place.replace("postgres@", f"{name}_other@", 1), "migrate")
        assert done.returncode == 1
        assert "permission denied for" in done.stderr
        assert "migrate as the owner of the schema, or of the database" in done.stderr


GRANTED = """
    select 'asyncjob.' || table_name as object, lower(privilege_type) as right
      from information_schema.role_table_grants where grantee = $1 and table_schema = 'asyncjob'
    union
    select 'asyncjob.' || table_name, format('update (%s)', column_name)
      from information_schema.column_privileges as of_column
     where grantee = $1 and table_schema = 'asyncjob' and privilege_type = 'UPDATE'
       and not exists (select from information_schema.role_table_grants as of_table
                        where of_table.grantee = $1 and of_table.table_schema = 'asyncjob'
                          and of_table.table_name = of_column.table_name and of_table.privilege_type = 'UPDATE')
"""


@pytest.mark.parametrize("purpose", ["reader", "producer", "operator"])
async def test_rights_that_are_missed_are_those_that_are_granted(
    dsn: str, db: Connection, purpose: str
) -> None:
    granted = {(row["object"], row["right"]) for row in await db.fetch(GRANTED, f"asyncjob_{purpose}")}
    query = Database(DatabaseConfig(dsn=dsn)).query
    role = f"without_rights_{os.getpid()}"
    async with db.transaction():
        await db.execute(f"create role {role}")
        rows = await db.fetch(*query("schema/list_missing_rights", role=role, purpose=purpose))
        await db.execute(f"drop role {role}")
    missed = {(row["object"], right) for row in rows for right in row["missing"]}
    of_tables = {(object_, right) for object_, right in missed if " " not in object_}
    assert of_tables == granted and granted


async def test_rights_of_a_daemon_are_enough_for_its_statements(dsn: str, db: Connection) -> None:
    query = Database(DatabaseConfig(dsn=dsn)).query
    role = f"daemon_{os.getpid()}"
    async with db.transaction():
        await db.execute(f"create role {role}")
        for row in await db.fetch(*query("schema/list_missing_rights", role=role, purpose="daemon")):
            await db.execute(f"grant {', '.join(row['missing'])} on {row['object']} to {role}")
        await db.execute(f"set local role {role}")
        daemons = [
            name for name in query_names() if name.split("/")[0] in {"fleet", "jobs", "upkeep", "wakeup"}
        ]
        for name in daemons:
            statement = load_statement(name)
            nulls = ", ".join(["null"] * len(statement.parameters))
            await db.execute(f"prepare asked as {statement.sql}")
            # This checks the rights, and runs nothing
            await db.execute(f"explain execute asked{f'({nulls})' if nulls else ''}")
            await db.execute("deallocate asked")
        await db.execute(f"reset role; drop owned by {role}; drop role {role}")
