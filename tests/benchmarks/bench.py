"""A server for all contenders. Each measurement has a fresh copy of a prepared database, and a worker process."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic_ns
from types import TracebackType
from typing import Any, Self

import asyncpg
import tomli_w

from asyncjobd.postgres.embedded import EmbeddedServer
from tests.benchmarks.contenders import NOOP, ROOT, Installation
from tests.benchmarks.processes import cpu_seconds_of_family
from tests.support.postgres import binaries

SETTINGS = {
    "shared_buffers": "512MB",
    "max_connections": "200",
    "max_wal_size": "4GB",
}  # durable: fsync is on
LONGEST = 60.0  # seconds that anything awaited may take


class Bench:
    """A server, started and stopped by `async with Bench(folder, postgres) as bench:`."""

    def __init__(self, folder: Path, postgres: str) -> None:
        self._server = EmbeddedServer(folder / "pg", binaries(postgres), SETTINGS)
        self.folder = folder
        self.host = self._server.socket_directory

    async def __aenter__(self) -> Self:
        await self._server.ensure()
        self._pid = int((self._server.data / "postmaster.pid").read_text().split()[0])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.stop()

    def cpu_seconds(self) -> float:
        """Return the CPU time that the server has used, in seconds."""
        return cpu_seconds_of_family(self._pid)

    async def connect(self, database: str = "postgres") -> Any:
        return await asyncpg.connect(host=str(self.host), user="postgres", database=database)

    async def database(self, installation: Installation, backlog: int = 0) -> str:
        """Make a fresh database with `backlog` ready jobs, and return its name."""
        name = re.sub(
            r"\W+", "_", f"{installation.contender.name} {installation.contender.variant}"[:50]
        ).lower()
        template, used = f"{name}_{backlog}", f"{name}_used"
        admin = await self.connect()
        if not await admin.fetchval("select exists (select from pg_database where datname = $1)", template):
            await admin.execute(f"create database {template}")
            await asyncio.to_thread(installation.call, self.host, template, "setup")
            if backlog:
                await self._fill(installation, template, backlog)
        await admin.execute(f"drop database if exists {used} with (force)")
        await admin.execute(f"create database {used} template {template} strategy file_copy")
        await admin.execute("checkpoint")
        await admin.close()
        return used

    async def _fill(self, installation: Installation, database: str, count: int) -> None:
        if not installation.contender.backlog:
            await asyncio.to_thread(installation.call, self.host, database, "bulk", count)
        db = await self.connect(database)
        if installation.contender.backlog:
            await db.execute(installation.contender.backlog.replace(":n", str(count)))
        await db.execute("vacuum analyze")
        await db.close()

    @asynccontextmanager
    async def worker(
        self, installation: Installation, database: str, jobs: int = 0
    ) -> AsyncIterator["Worker"]:
        """Run a worker meanwhile; it reports the start of its job number `jobs` as the last."""
        worker = Worker(self, installation, database, jobs)
        try:
            yield worker
        finally:
            worker.process.kill()
            worker.process.wait()


class Worker:
    """A contender's worker process."""

    def __init__(self, bench: Bench, installation: Installation, database: str, jobs: int) -> None:
        folder = Path(tempfile.mkdtemp(dir=bench.folder))
        self._report = folder / "report"
        self._report.touch()
        self.log = folder / "log"
        environment = installation.environment(bench.host, database) | {
            "REPORT": str(self._report),
            "JOBS": str(jobs),
        }
        if installation.contender.is_ours:
            command = self._daemon(
                installation, folder, f"postgresql://postgres@/{database}?host={bench.host}"
            )
        else:
            command = installation.command("work", installation.contender.concurrency, self._report)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=environment, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
            )

    def _daemon(self, installation: Installation, folder: Path, dsn: str) -> list[str]:
        """Return the command of a daemon with its defaults: JSON lines at level info, into a file."""
        config = folder / "config.toml"
        document = {"database": {"dsn": dsn}, "actions": {"noop": NOOP}} | installation.contender.config
        config.write_text(tomli_w.dumps(document))
        return [sys.executable, "-m", "asyncjobd", "--config", str(config), "run"]

    async def first(self) -> int:
        """Wait for the first job, and return when it began (monotonic, in ns)."""
        (time,) = await self._line("FIRST")
        return time

    async def last(self, patience: float) -> None:
        """Wait until the last job has begun, for at most `patience` seconds."""
        with suppress(TimeoutError):
            await self._line("LAST", patience)

    async def latencies(self) -> list[float]:
        """End the worker, and return the latencies of all jobs that carry a time: sorted, in milliseconds."""
        os.kill(self.process.pid, signal.SIGUSR2)
        return sorted(time / 1e6 for time in await self._line("LATENCIES"))

    async def _line(self, word: str, patience: float = LONGEST) -> list[int]:
        end = monotonic_ns() + int(patience * 1e9)
        while True:
            for line in self._report.read_text().splitlines(keepends=True):
                if line.startswith(word) and line.endswith("\n"):
                    return [int(number) for number in line.split()[1:]]
            if monotonic_ns() > end:
                raise TimeoutError(f"no {word} in {self._report}: {self.log.read_text()[-2000:]}")
            assert self.process.poll() is None or word == "LATENCIES", self.log.read_text()[-2000:]
            await asyncio.sleep(0.005)
