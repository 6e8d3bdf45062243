"""Fixtures for pytest: a PostgreSQL of the run's own, and a database with the schema for each test.

A conftest.py at the root asks for them: pytest_plugins = ["asyncjobd.testing.fixtures"]
"""

import itertools
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from anyio.from_thread import start_blocking_portal

from asyncjobd.config import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.embedded import EmbeddedServer
from asyncjobd.postgres.schema import migrate
from asyncjobd.testing.workbench import Workbench

SETTINGS = {"fsync": "off", "max_connections": "100"}
TEMPLATE = "asyncjobd_template"


@pytest.fixture(scope="session")
def asyncjobd_databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[str]]:
    """Each `next` makes a database with the schema, and answers its dsn. The server goes with the run."""
    server = EmbeddedServer(tmp_path_factory.mktemp("postgres") / "data", settings=SETTINGS)

    def dsn(name: str) -> str:
        return server.dsn.replace("/postgres?", f"/{name}?")

    async def create(name: str, template: str) -> str:
        connection = await asyncpg.connect(server.dsn)
        await connection.execute(f"create database {name} template {template}")
        await connection.close()
        return dsn(name)

    with start_blocking_portal() as portal:
        portal.call(server.ensure)
        template = portal.call(create, TEMPLATE, "template0")
        portal.call(migrate, Database(DatabaseConfig(dsn=template)))
        yield (portal.call(create, f"test_{number}", TEMPLATE) for number in itertools.count(1))
        portal.call(server.stop)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Jobs run on asyncio alone."""
    return "asyncio"


@pytest.fixture
def asyncjobd_dsn(asyncjobd_databases: Iterator[str]) -> str:
    """Of a new database with the schema."""
    return next(asyncjobd_databases)


@pytest.fixture
async def workbench(asyncjobd_dsn: str) -> AsyncIterator[Workbench]:
    """On a new database, for tests that anyio runs (@pytest.mark.anyio); others enter `Workbench.connect`."""
    async with Workbench.connect(asyncjobd_dsn) as workbench:
        yield workbench
