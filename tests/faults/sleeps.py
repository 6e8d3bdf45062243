"""Look for lost wake-ups: `python -m tests.faults.sleeps --knocks 10000 --daemons 3`.

Clients insert at random times, some in transactions that stay open, while daemons fall asleep between them. Each job
must start soon after its commit; the daemons' lease is so long that no periodic look hides a lost wake-up.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import asyncpg

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.embedded import EmbeddedServer
from asyncjobd.postgres.schema.migrate import migrate
from tests.support.actions import action
from tests.support.daemon import DaemonProcess, write_config
from tests.support.handlers import succeed
from tests.support.postgres import binaries

LEASE = 3600  # seconds
NAMES = ("a", "b")
MOST_LATE = (
    1.5  # seconds: a daemon asks anew each second while a transaction stays open, and looks again with that
)
CLIENTS = 8
SHORT = (0.0, 0.08)  # seconds between two inserts; a daemon that finds nothing sleeps after about 0.03
OPEN = (0.0, 0.1)  # seconds that a transaction stays open after its insert
LONG = 1.5  # and some of them


@dataclass
class Sleeps:
    """The result. `knocks`: how often a client woke a daemon. `delays`: seconds from each commit to its job's start."""

    knocks: int = 0
    committed: dict[int, float] = field(default_factory=dict)
    delays: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        delays = sorted(self.delays)
        return (
            f"{len(delays)} jobs, {self.knocks} of them woke a daemon; from commit to start: median "
            f"{1000 * delays[len(delays) // 2]:.1f} ms, p99 {1000 * delays[len(delays) * 99 // 100]:.1f} ms, longest "
            f"{1000 * delays[-1]:.0f} ms"
        )


async def stress(dsn: str, knocks: int, seed: int) -> Sleeps:
    """Insert until running daemons were woken `knocks` times, and wait until all jobs have ended."""
    sleeps = Sleeps()

    def hear(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        sleeps.knocks += str(payload).startswith("ready ")

    ears = await asyncpg.connect(dsn)
    await ears.add_listener("asyncjob", hear)
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(_insert(dsn, sleeps, knocks, random.Random(seed * CLIENTS + number)))
    deadline = monotonic() + 30
    while await ears.fetchval("select exists (select from asyncjob.job where status <> 'Completed')"):
        assert monotonic() < deadline, "jobs were left"
        await asyncio.sleep(0.1)
    started = await ears.fetch("select id, extract(epoch from started_at)::float8 as at from asyncjob.job")
    sleeps.delays = [row["at"] - sleeps.committed[row["id"]] for row in started]
    await ears.close()
    return sleeps


async def _insert(dsn: str, sleeps: Sleeps, knocks: int, chance: random.Random) -> None:
    db = await asyncpg.connect(dsn)
    while sleeps.knocks < knocks:
        transaction = db.transaction()
        await transaction.start()
        name = chance.choice(NAMES)
        job_id = await db.fetchval("insert into asyncjob.job (job_name) values ($1) returning id", name)
        if chance.random() < 0.3:
            await asyncio.sleep(LONG if chance.random() < 0.02 else chance.uniform(*OPEN))
        await transaction.commit()
        sleeps.committed[job_id] = await db.fetchval("select extract(epoch from clock_timestamp())::float8")
        await asyncio.sleep(chance.uniform(*SHORT))
    await db.close()


async def run(knocks: int, daemons: int, seed: int, postgres: str, folder: Path) -> Sleeps:
    server = EmbeddedServer(folder / "postgres", binaries(postgres), {"fsync": "off"})
    await server.ensure()
    try:
        await migrate(Database(DatabaseConfig(dsn=server.dsn)))
        start(folder, server.dsn, daemons)
        return await stress(server.dsn, knocks, seed)
    finally:
        DaemonProcess.kill_all()
        await server.stop()


def start(folder: Path, dsn: str, daemons: int) -> None:
    actions = {name: action(succeed) for name in NAMES}
    for number in range(daemons):
        own = folder / f"daemon{number}"
        own.mkdir()
        DaemonProcess(write_config(own, dsn, actions, name=f"d{number}", lease=f"{LEASE} s")).wait_for(
            "daemon.ready"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--knocks", type=int, default=10_000)
    parser.add_argument("--daemons", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgres", default="wheel")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="asyncjobd-sleeps-"))
    sleeps = asyncio.run(run(arguments.knocks, arguments.daemons, arguments.seed, arguments.postgres, folder))
    late = sum(delay > MOST_LATE for delay in sleeps.delays)
    print(f"{arguments.daemons} daemon(s): {sleeps}; {late} lost wake-ups")
    sys.exit(bool(late))


if __name__ == "__main__":
    main()
