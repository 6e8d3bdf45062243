"""A lane: a server, its clocks, and a worker that runs worlds on it one after the other."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from unittest.mock import patch

import asyncpg
import msgspec

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.embedded import EmbeddedServer
from asyncjobd.postgres.schema.migrate import migrate
from tests.faults.ledger import SCHEMA
from tests.simulation.clock import OWN, SERVERS, Clock, virtual_time
from tests.simulation.plan import Plan
from tests.simulation.watch import SCHEMA as WATCH
from tests.simulation.world import Outcome
from tests.support.postgres import binaries

SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "deadlock_timeout": "1h",  # the world finds deadlocks itself, at once
}
MAX_LINE = 2**20  # bytes of an outcome


class Lane:
    def __init__(self, worker: asyncio.subprocess.Process) -> None:
        self._worker = worker

    @classmethod
    @asynccontextmanager
    async def open(cls, postgres: str, story: Path | None = None) -> AsyncIterator["Lane"]:
        """Open a lane, which is closed with the block. The last world's story is written to the file."""
        with tempfile.TemporaryDirectory(prefix="asyncjobd-simulation-") as name:
            folder = Path(name)
            folder.chmod(0o755)
            Clock(folder)
            server = EmbeddedServer(folder / "data", binaries(postgres), SETTINGS)
            try:
                with patch.dict(os.environ, virtual_time(folder / SERVERS)):
                    await server.ensure()
                await _prepare(server.dsn)
                worker = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", f"{__package__}.worker", name, server.dsn, *([str(story)] if story else []),
                    stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=MAX_LINE,
                    env=os.environ | virtual_time(folder / OWN) | {"PYTHONHASHSEED": "0"},
                )  # fmt: skip
                try:
                    yield cls(worker)
                finally:
                    worker.kill()
                    await worker.wait()
            finally:
                await server.stop()

    async def run(self, plan: Plan) -> Outcome:
        """Run a world, and return its outcome."""
        assert self._worker.stdin is not None and self._worker.stdout is not None
        self._worker.stdin.write(msgspec.json.encode(plan) + b"\n")
        return msgspec.json.decode(await self._worker.stdout.readline(), type=Outcome)


async def _prepare(dsn: str) -> None:
    await migrate(Database(DatabaseConfig(dsn=dsn)))
    db = await asyncpg.connect(dsn)
    await db.execute(SCHEMA + WATCH)
    await db.close()


async def run(plans: Iterator[Plan], lanes: int, postgres: str) -> AsyncGenerator[Outcome, None]:
    """Run worlds, so many at a time, and yield their outcomes as they come."""
    outcomes: asyncio.Queue[Outcome | None] = asyncio.Queue()

    async def drive(lane: Lane) -> None:
        for plan in plans:
            await outcomes.put(await lane.run(plan))
        await outcomes.put(None)

    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(Lane.open(postgres)) for _ in range(lanes)]
        group = await stack.enter_async_context(asyncio.TaskGroup())
        for lane in opened:
            group.create_task(drive(lane))
        while lanes:
            if (outcome := await outcomes.get()) is None:
                lanes -= 1
            else:
                yield outcome
