"""A server and several daemons on it, for the commands that kill daemons under load."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.embedded import EmbeddedServer
from asyncjobd.postgres.schema.migrate import migrate
from tests.support.actions import Actions
from tests.support.daemon import DaemonProcess, write_config
from tests.support.postgres import binaries

STRIKES = (0.2, 1.0)  # seconds from one daemon that is killed or frozen to the next
FREEZES = (0.5, 3.0)  # seconds; some are longer than the lease that they are used with


class Struck(Protocol):
    """Counts the faults of a run."""

    kills: int
    freezes: int


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


async def strike(daemons: list[DaemonProcess], counted: Struck, chance: random.Random) -> None:
    """Kill one daemon after the other and start it anew, or freeze it for a while."""
    while True:
        await asyncio.sleep(chance.uniform(*STRIKES))
        struck = chance.randrange(len(daemons))
        if daemons[struck].process.poll() is None:
            if chance.random() < 0.5:
                daemons[struck].process.send_signal(signal.SIGSTOP)
                await asyncio.sleep(chance.uniform(*FREEZES))
                daemons[struck].process.send_signal(signal.SIGCONT)
                counted.freezes += 1
                continue
            daemons[struck].process.kill()
            counted.kills += 1
        await asyncio.to_thread(daemons[struck].process.wait)  # one that was frozen for long ends by itself
        daemons[struck] = DaemonProcess(daemons[struck].config)
        await asyncio.to_thread(daemons[struck].ready)
