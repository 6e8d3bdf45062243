"""A primary with a synchronous streaming replica, which can be restarted and failed over."""

import asyncio
import shutil
import signal
from pathlib import Path

import asyncpg

from asyncjobd.postgres.embedded import EmbeddedServer
from tests.support.daemon import DEADLINE

SETTINGS = {
    "max_connections": "100",
    "fsync": "off",
    "shared_buffers": "64MB",
    "wal_retrieve_retry_interval": "100ms",
}


class Cluster:
    """Two servers, which change their roles with each failover."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self._binaries = binaries
        self.servers = [EmbeddedServer(folder / name, binaries, SETTINGS) for name in ("a", "b")]
        self.primary, self.standby = self.servers

    async def start(self) -> None:
        await self.primary.ensure()
        await self.add_standby()

    async def stop(self) -> None:
        for server in self.servers:
            await server.stop()

    async def add_standby(self) -> None:
        """Start the standby. Commits wait for it from now on, so that a failover loses none."""
        data = self.standby.data
        shutil.rmtree(data, ignore_errors=True)
        copying = await asyncio.create_subprocess_exec(
            str(self._binaries / "pg_basebackup"), "-h", str(self.primary.socket_directory), "-U", "postgres",
            "-D", str(data), "-R", "-X", "stream", "-c", "fast", stdin=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert await copying.wait() == 0, "pg_basebackup failed"
        data.chmod(0o700)
        await self.standby.ensure()
        await self._wait_for_commits_on("*")

    async def restart(self, number: int, away: float = 0.0) -> None:
        """End the primary with a signal (SIGINT: fast, SIGQUIT: immediate) and start it again after `away` seconds."""
        await self._end_primary(number)
        await asyncio.sleep(away)
        await self.primary.ensure()

    async def fail_over(self) -> None:
        """Kill the primary and promote the replica."""
        await self._end_primary(signal.SIGQUIT)
        self.primary, self.standby = self.standby, self.primary
        # the new primary has no replica to wait for yet
        with (self.primary.data / "postgresql.auto.conf").open("a") as settings:
            settings.write("synchronous_standby_names = ''\n")
        connection = await asyncpg.connect(self.primary.dsn)
        await connection.execute("select pg_reload_conf()")
        assert await connection.fetchval("select pg_promote()")
        await connection.close()

    async def _end_primary(self, number: int) -> None:
        process = self.primary._process
        assert process is not None
        process.send_signal(number)
        await process.wait()

    async def _wait_for_commits_on(self, names: str) -> None:
        connection = await asyncpg.connect(self.primary.dsn)
        async with asyncio.timeout(DEADLINE):
            while not await connection.fetchval(
                "select count(*) from pg_stat_replication where state = 'streaming'"
            ):
                await asyncio.sleep(0.01)
        await connection.execute(f"alter system set synchronous_standby_names = '{names}'")
        await connection.execute("select pg_reload_conf()")
        await connection.close()
