"""A run of daemons under load and one fault after the other, all chosen by a seed."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.schema.migrate import migrate
from tests.faults.client import Client
from tests.faults.ledger import SCHEMA, Ledger
from tests.faults.machine import POLL, Machine
from tests.faults.proxy import Proxy
from tests.faults.strikes import STRIKES, Field, Strike
from tests.support.cluster import Cluster
from tests.support.daemon import DaemonProcess

DAEMONS = 3


class Campaign:
    """A run under faults: `async with Campaign.prepared(...) as campaign: await campaign.run(seconds)`."""

    def __init__(self, folder: Path, cluster: Cluster, machines: list[Machine], seed: int, rate: int) -> None:
        self._ledger = folder / "ledger"
        self._machines = machines
        self._random = random.Random(seed)

        async def connect() -> Any:
            return await asyncpg.connect(cluster.primary.dsn, timeout=5)

        self._client, self._prober = Client(connect, seed), Client(connect, seed + 1, first_batch=10**9)
        self._field = Field(cluster, machines, self._prober, self._random)
        self._pack: list[Strike] = []
        self._rate = rate
        self._is_over = False
        self._healing: set[asyncio.Task[None]] = set()
        self.faults: dict[str, int] = defaultdict(int)
        self.recoveries: dict[str, list[float]] = defaultdict(
            list
        )  # seconds from a fault's end to a new job's end

    @classmethod
    @asynccontextmanager
    async def prepared(cls, folder: Path, binaries: Path, seed: int, rate: int) -> AsyncIterator["Campaign"]:
        """Start servers, proxies and daemons, which end with the block."""
        cluster = Cluster(folder, binaries)
        machines: list[Machine] = []
        try:
            await cluster.start()
            await migrate(Database(DatabaseConfig(dsn=cluster.primary.dsn)))
            db = await asyncpg.connect(cluster.primary.dsn)
            await db.execute(SCHEMA)
            await db.close()
            for n in range(DAEMONS):
                proxies = [await Proxy.start(server.socket_directory) for server in cluster.servers]
                machines.append(
                    Machine(f"d{n}", folder / f"d{n}", folder / "ledger", proxies, n == 2, seed + n)
                )
            for machine in machines:
                machine.start()
            yield cls(folder, cluster, machines, seed, rate)
        finally:
            DaemonProcess.kill_all()
            for proxy in (proxy for machine in machines for proxy in machine.proxies):
                await proxy.stop()
            await cluster.stop()

    async def run(self, seconds: float, pause: tuple[float, float] = (2.0, 5.0)) -> Ledger:
        """Run load and faults, one every `pause` (from, to) seconds, then wait until all jobs have ended."""
        async with asyncio.TaskGroup() as group:
            supervising = group.create_task(self._supervise())
            loading = group.create_task(self._load(seconds))
            await self._prober.probe()
            end = monotonic() + seconds
            while monotonic() < end:
                await asyncio.sleep(self._random.uniform(*pause))
                task = group.create_task(self._strike())
                self._healing.add(task)
                task.add_done_callback(self._healing.discard)
            await asyncio.gather(loading, *self._healing)
            self.recoveries["the last of all"].append(await self._prober.probe())
            await self._client.settle()
            self._is_over = True
            await supervising
        for machine in self._machines:
            await asyncio.to_thread(
                machine.process.ready
            )  # one that was started anew just now takes no SIGTERM yet
            code = await asyncio.to_thread(machine.process.stop)
            assert code == 0 or machine.process.events("daemon.written_off"), (
                machine.process.errors.read_text()
            )
            machine.has_ended()
        lives = {life.name: life for machine in self._machines for life in machine.lives}
        ledger: Ledger = await self._client.run(lambda db: Ledger.load(self._ledger, lives, db))
        await self._client.close()
        await self._prober.close()
        return ledger

    async def _supervise(self) -> None:
        """Restart daemons that have ended, as systemd with RestartSec=0.2."""
        while not self._is_over:
            for machine in self._machines:
                if machine.has_ended() and monotonic() > machine.life.end + 0.2:
                    machine.start()
            await asyncio.sleep(POLL)

    async def _load(self, seconds: float) -> None:
        began = monotonic()
        done = 0
        while (elapsed := monotonic() - began) < seconds:
            due = int(elapsed * self._rate) - done
            if due > 0:
                await self._client.insert_mixed(due)
                done += due
            await asyncio.sleep(0.1)

    async def _strike(self) -> None:
        """Strike with the next fault, and measure how long it takes until jobs run as before."""
        if not self._pack:
            self._pack = self._random.sample(STRIKES, len(STRIKES))
        fault = self._pack.pop()
        if await fault(self._field):
            self.faults[fault.__name__] += 1
            self.recoveries[fault.__name__].append(await self._prober.probe())
