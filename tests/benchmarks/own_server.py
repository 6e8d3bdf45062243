"""A durable server with the schema, for benchmarks that have no peers, and the options of these."""

import argparse
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.embedded import EmbeddedServer
from asyncjobd.postgres.schema.migrate import migrate
from tests.benchmarks.bench import SETTINGS
from tests.benchmarks.processes import cpu_seconds_of_family
from tests.support.daemon import DaemonProcess
from tests.support.postgres import binaries


class OwnServer(NamedTuple):
    """A server, a client's connection to it, and a folder for daemons."""

    embedded: EmbeddedServer
    db: Any
    folder: Path

    def cpu_seconds(self) -> float:
        """Return the CPU time that the server has used, in seconds."""
        return cpu_seconds_of_family(int((self.embedded.data / "postmaster.pid").read_text().split()[0]))


@asynccontextmanager
async def own_server(postgres: str, **settings: str) -> AsyncIterator[OwnServer]:
    """Start a server with these further settings, and kill all daemons and stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="asyncjobd-") as name:
        embedded = EmbeddedServer(Path(name) / "pg", binaries(postgres), SETTINGS | settings)
        await embedded.ensure()
        try:
            await migrate(Database(DatabaseConfig(dsn=embedded.dsn)))
            db = await asyncpg.connect(embedded.dsn)
            yield OwnServer(embedded, db, Path(name))
            await db.close()
        finally:
            DaemonProcess.kill_all()
            await embedded.stop()


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of the options that these benchmarks share."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="one short run")
    parser.add_argument(
        "--postgres", default="wheel", help="the server: wheel, system or a folder of binaries"
    )
    return parser
