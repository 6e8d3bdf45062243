"""A database that is not UTF8 causes a warning, and is refused where its text may be any bytes."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import asyncpg
import pytest

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.schema.migrate import SchemaError, check_schema
from tests.conftest import NewDaemon
from tests.support.daemon import asyncjobd
from tests.support.jobs import Connection, insert, settled

pytestmark = pytest.mark.anyio

MakeDatabase = Callable[[str], Awaitable[str]]

MEND = "create database NAME encoding 'UTF8' template template0, and move the data by pg_dump"
LACK = "it cannot store text with other characters"


@pytest.fixture
async def encoded(db: Connection, dsn: str) -> MakeDatabase:
    """Make databases of an encoding; each call returns the dsn of a new one."""
    name = urlsplit(dsn).path[1:]

    async def make(encoding: str) -> str:
        await db.execute(
            f"create database {name}_encoded encoding '{encoding}' locale_provider libc locale 'C' template template0"
        )
        return dsn.replace(f"/{name}?", f"/{name}_encoded?")

    return make


async def test_database_of_any_bytes_is_refused(encoded: MakeDatabase) -> None:
    dsn = await encoded("SQL_ASCII")
    migrated = asyncjobd("--dsn", dsn, "migrate")
    assert (migrated.returncode, migrated.stdout) == (1, "")
    assert migrated.stderr == (
        f"Error: the database's encoding is SQL_ASCII: its text may be bytes that nobody can read: {MEND}\n"
    )
    with pytest.raises(SchemaError, match="encoding is SQL_ASCII"):
        await check_schema(Database(DatabaseConfig(dsn=dsn)), is_engine=True)
    told = asyncjobd("--dsn", dsn, "doctor").stdout
    assert "problem  encoding    the database's encoding is SQL_ASCII" in told


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252", "EUC_JP"])
async def test_encoding_that_has_not_all_characters_is_warned_of(
    encoded: MakeDatabase, start_daemon: NewDaemon, encoding: str
) -> None:
    dsn = await encoded(encoding)
    for _ in range(2):
        migrated = asyncjobd("--dsn", dsn, "migrate")
        assert migrated.returncode == 0
        assert migrated.stderr == f"Warning: the database's encoding is {encoding}: {LACK}: {MEND}\n"
    daemon = start_daemon(to=dsn).ready()
    assert f"encoding is {encoding}" in daemon.wait_for("database.unfit")["reason"]
    db = await asyncpg.connect(dsn)
    try:
        assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"
    finally:
        await db.close()
    assert (
        f"warning  encoding    the database's encoding is {encoding}"
        in asyncjobd("--dsn", dsn, "doctor").stdout
    )
