"""The page looks as a reader and orders as a producer: PostgreSQL itself refuses what its role was not granted."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.monitoring.overview import Observer
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.embedded import EmbeddedServer
from asyncjobd.postgres.schema.migrate import migrate
from asyncjobd.web import Transactions, Viewer
from tests.cli.commands import config_of, printed, run
from tests.conftest import NewDatabase
from tests.support.cluster import Cluster
from tests.support.daemon import DEADLINE, write_config
from tests.support.jobs import Connection, insert
from tests.support.pooler import needs_pooler, pooler

pytestmark = pytest.mark.anyio

ANN = Viewer("ann@example.com", can_order=True)
PAGE_ROLE = "asyncjobd-web"


@pytest.fixture
def role_sql(dsn: str, tmp_path: Path) -> str:
    return printed(config_of(tmp_path, dsn), "web", "role")


@pytest.fixture
async def page_dsn(db: Connection, role_sql: str, dsn: str) -> AsyncIterator[str]:
    """The dsn of the role that `asyncjobd web role` makes."""
    await db.execute(f'drop role if exists "{PAGE_ROLE}"')
    await db.execute(role_sql)
    parts = urlsplit(dsn)
    yield parts._replace(netloc=f"{PAGE_ROLE}@{parts.netloc.rpartition('@')[2]}").geturl()
    await db.execute(f'drop role "{PAGE_ROLE}"')


async def test_role_of_the_page_looks_and_orders(db: Connection, page_dsn: str) -> None:
    job_id = await insert(db, "succeed")
    async with Transactions.connect(page_dsn) as transactions:
        await transactions.check()
        async with transactions.reading() as statements:
            await Observer(statements.fetch).look()
        async with transactions.ordering(ANN) as statements:
            rows = await statements.fetch(
                "client/set_job_status", job_id=job_id, status="Failed", only_from=["In Progress"]
            )
    assert rows[0]["message"] == "set to Failed by asyncjobd-web for ann@example.com"
    assert not transactions.is_read_only


async def test_operating_pauses_actions(db: Connection, page_dsn: str) -> None:
    await db.execute("insert into asyncjob.action (name, handler, is_active) values ('succeed', 'a:b', true)")
    async with Transactions.connect(page_dsn) as transactions, transactions.operating(ANN) as statements:
        rows = await statements.fetch("control/pause_action", name="succeed", lasts=None, until="infinity")
    assert len(rows) == 1
    paused_by = await db.fetchval("select paused_by from asyncjob.action")
    assert paused_by == "asyncjobd-web for ann@example.com"


async def test_reading_writes_nothing(db: Connection, dsn: str) -> None:
    """Even where the page logs in as a superuser, as with the embedded server."""
    job_id = await insert(db, "succeed")
    async with Transactions.connect(dsn) as transactions:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            async with transactions.reading() as statements:
                await statements.fetch(
                    "client/set_job_status", job_id=job_id, status="Failed", only_from=["In Progress"]
                )
    assert await db.fetchval("select status from asyncjob.job where id = $1", job_id) == "In Progress"


async def test_role_that_only_looks_cannot_order(db: Connection, page_dsn: str) -> None:
    await db.execute(f'revoke asyncjob_producer, asyncjob_operator from "{PAGE_ROLE}"')
    async with Transactions.connect(page_dsn) as transactions:
        for kind in (transactions.ordering, transactions.operating):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied to set role"):
                async with kind(ANN):
                    pass
        await transactions.check()


async def test_role_without_its_grants_is_told_what_prints_them(
    db: Connection, page_dsn: str, tmp_path: Path
) -> None:
    await db.execute(f'revoke asyncjob_reader from "{PAGE_ROLE}"')
    refused = run(write_config(tmp_path, page_dsn), "web", "--socket", str(tmp_path / "socket"))
    assert refused.returncode == 1
    assert 'permission denied to set role "asyncjob_reader"' in refused.stderr
    assert "`asyncjobd web role` prints what the page's role needs" in refused.stderr


async def test_role_is_that_of_the_configured_schema(tmp_path: Path, dsn: str) -> None:
    sql = printed(write_config(tmp_path, dsn, schema="billing"), "web", "role")
    assert "grant billing_reader to" in sql
    assert "asyncjob_" not in sql


async def test_schema_of_another_name(new_empty_database: NewDatabase) -> None:
    dsn = new_empty_database()
    await migrate(Database(DatabaseConfig(dsn=dsn, schema="billing")))
    async with Transactions.connect(dsn, schema="billing") as transactions:
        await transactions.check()
        async with transactions.reading() as statements:
            await Observer(statements.fetch).look()
        async with transactions.ordering(ANN) as statements:
            assert not await statements.fetch("client/get_job", job_id=1)


async def test_long_statement_is_ended(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncjobd.web.transactions.READ_LIMIT", "set local statement_timeout = '50ms';")
    async with Transactions.connect(dsn) as transactions:
        with pytest.raises(asyncpg.QueryCanceledError):
            async with transactions.reading() as statements:
                await statements._connection.fetch("select pg_sleep(60)")
        async with transactions.reading():
            pass  # the connection goes on


async def test_connections_are_few(dsn: str, db: Connection) -> None:
    async with Transactions.connect(dsn) as transactions:

        async def read() -> None:
            async with transactions.reading():
                await asyncio.sleep(0)

        await asyncio.gather(*(read() for _ in range(20)))
        opened = await db.fetchval(
            "select count(*) from pg_stat_activity where application_name = 'asyncjobd web'"
            " and datname = current_database()"
        )
    assert 1 <= opened <= 4


@needs_pooler
async def test_through_a_pooler_in_transaction_mode(
    server: EmbeddedServer, dsn: str, db: Connection, tmp_path: Path
) -> None:
    job_id = await insert(db, "succeed")
    with pooler(server, dsn, tmp_path, "transaction") as pooled:
        async with Transactions.connect(pooled) as transactions:
            await transactions.check()
            async with transactions.reading() as statements:
                await Observer(statements.fetch).look()
                assert await statements._connection.fetchval("select current_user") == "asyncjob_reader"
            async with transactions.ordering(ANN) as statements:
                await statements.fetch(
                    "client/set_job_status", job_id=job_id, status="Failed", only_from=["In Progress"]
                )
    assert (
        await db.fetchval("select message from asyncjob.job")
        == "set to Failed by postgres for ann@example.com"
    )


async def test_replica_says_that_it_takes_no_orders(postgres_bin: Path, tmp_path: Path) -> None:
    if not (postgres_bin / "pg_basebackup").exists():
        pytest.skip("there is no pg_basebackup of this PostgreSQL")
    cluster = Cluster(tmp_path, postgres_bin)
    try:
        await cluster.start()
        await migrate(Database(DatabaseConfig(dsn=cluster.primary.dsn)))
        await _until_replayed(cluster.standby.dsn)
        async with Transactions.connect(cluster.standby.dsn) as transactions:
            async with transactions.reading() as statements:
                await Observer(statements.fetch).look()
            assert transactions.is_read_only
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                async with transactions.ordering(ANN) as statements:
                    await statements.fetch(
                        "client/set_job_status", job_id=1, status="Failed", only_from=["Hold"]
                    )
    finally:
        await cluster.stop()


async def _until_replayed(dsn: str) -> None:
    """Wait until a replica has the schema."""
    db = await asyncpg.connect(dsn)
    async with asyncio.timeout(DEADLINE):
        while not await db.fetchval("select to_regclass('asyncjob.job') is not null"):
            await asyncio.sleep(0.01)
    await db.close()
