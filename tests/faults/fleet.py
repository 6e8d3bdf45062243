"""A server and several daemons on it, for the commands that kill daemons under load."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.embedded import EmbeddedServer
from asyncjobd.postgres.schema.migrate import migrate
from tests.support.actions import Actions
from tests.support.daemon import DaemonProcess, write_config
from tests.support.postgres import binaries


@asynccontextmanager
async def migrated_server(folder: Path, postgres: str) -> AsyncIterator[str]:
    """Run a server that has the schema, and give its dsn. All daemons are killed before it stops."""
    server = EmbeddedServer(folder / "postgres", binaries(postgres), {"fsync": "off"})
    await server.ensure()
    try:
        await migrate(Database(DatabaseConfig(dsn=server.dsn)))
        yield server.dsn
    finally:
        DaemonProcess.kill_all()
        await server.stop()


def start_daemons(folder: Path, dsn: str, count: int, actions: Actions, **daemon: Any) -> list[DaemonProcess]:
    """Start so many daemons; `daemon`: keys of the section of each."""
    daemons = []
    for number in range(count):
        own = folder / f"daemon{number}"
        own.mkdir()
        config = write_config(own, dsn, actions, name=f"d{number}", logging={"level": "info"}, **daemon)
        daemons.append(DaemonProcess(config))
    return daemons
