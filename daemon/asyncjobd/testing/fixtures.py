"""Fixtures for pytest: a PostgreSQL of the run's own, and a database with the schema for each test.

A conftest.py at the root loads them: pytest_plugins = ["asyncjobd.testing.fixtures"]
"""

from collections.abc import AsyncIterator, Iterator

import pytest
from anyio.from_thread import start_blocking_portal

from asyncjobd.postgres.embedded import EmbeddedServer
from asyncjobd.testing.databases import Databases
from asyncjobd.testing.workbench import Workbench

SETTINGS = {"fsync": "off", "max_connections": "100"}


@pytest.fixture(scope="session")
def asyncjobd_databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Databases on a server that lasts as long as the run."""
    server = EmbeddedServer(tmp_path_factory.mktemp("postgres") / "data", settings=SETTINGS)
    with start_blocking_portal() as portal:
        portal.call(server.ensure)
        yield Databases(server, portal)
        portal.call(server.stop)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The backend of anyio: jobs run on asyncio alone."""
    return "asyncio"


@pytest.fixture
def asyncjobd_dsn(asyncjobd_databases: Databases) -> Iterator[str]:
    """The dsn of a new database with the schema, for one test."""
    dsn = asyncjobd_databases.with_schema()
    yield dsn
    asyncjobd_databases.discard(dsn)


@pytest.fixture
async def workbench(asyncjobd_dsn: str) -> AsyncIterator[Workbench]:
    """A workbench on a new database, for tests that anyio runs (@pytest.mark.anyio).

    Others enter `Workbench.connect`.
    """
    async with Workbench.connect(asyncjobd_dsn) as workbench:
        yield workbench
