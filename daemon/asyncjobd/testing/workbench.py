"""All jobs of a database, run by a daemon in the test's own process until none is left."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from time import monotonic
from types import MappingProxyType
from typing import Any

import asyncpg

from asyncjobd.actions.catalog import Action
from asyncjobd.actions.objects import LoadError
from asyncjobd.client import Client
from asyncjobd.config.durations import require_timedelta
from asyncjobd.config.model import ActionConfig, Config, DaemonConfig, DatabaseConfig
from asyncjobd.config.tables import to_struct
from asyncjobd.engine.daemon import Daemon
from asyncjobd.postgres.database import Database, Use
from asyncjobd.testing.inline import loaded_handler

LOOK = 0.01  # seconds between two looks at what is left
THREADS = 4  # for synchronous functions
MOST_NAMED = 5  # jobs in an error


class Workbench:
    """`async with Workbench.connect(dsn) as workbench:`, on a database of its own that has the schema:

    workbench.serve("EmailSender", EmailSender)
    job_id = await workbench.client.insert(JobBuilder("EmailSender").set_params({"to": "a@b.c"}).build())
    await workbench.drain()
    assert (await workbench.client.get(job_id)).status is Status.COMPLETED
    """

    def __init__(
        self, config: DatabaseConfig, database: Database, client: Client, threads: ThreadPoolExecutor
    ) -> None:
        self.client = client
        self._config = config
        self._database = database
        self._threads = threads
        self._actions: dict[str, Action] = {}

    @classmethod
    @asynccontextmanager
    async def connect(cls, dsn: str, schema: str = "asyncjob") -> "AsyncIterator[Workbench]":
        config = DatabaseConfig(dsn=dsn, schema=schema)
        database = Database(config)
        client = Client(database)
        with ThreadPoolExecutor(THREADS) as threads:
            try:
                yield cls(config, database, client, threads)
            finally:
                await client.close()
                await database.close()

    def serve(
        self, name: str, handler: Any, options: Mapping[str, Any] = MappingProxyType({}), **defaults: Any
    ) -> None:
        """Jobs of this name have this handler: a JobHandler, a function, or "module:attribute". `defaults`
        are keys of [actions.NAME], such as retry_interval="90 s". Raises LoadError and
        msgspec.ValidationError."""
        config = to_struct(ActionConfig, {"handler": str(handler), "options": dict(options), **defaults})
        if config.isolation == "process" and not isinstance(handler, str):
            raise LoadError(f"{name}: a process of its own imports its handler: expected 'module:attribute'")
        self._actions[name] = Action(name, config, loaded_handler(handler, self._threads, options))

    async def drain(self, timeout: timedelta = timedelta(seconds=30)) -> None:
        """Runs what is ready or due of the names that are served, and what that inserts or leaves due at
        once, until nothing is. Raises TimeoutError where there is still something after `timeout` seconds."""
        limit = require_timedelta("timeout", timeout).total_seconds()
        actions = {name: action.config for name, action in self._actions.items()}
        config = Config(self._config, DaemonConfig("workbench", shutdown_grace=timedelta(0)), actions=actions)
        daemon = Daemon(config, self._database, dict(self._actions), self._threads)
        await daemon.register()
        running = asyncio.create_task(daemon.run())
        try:
            deadline = monotonic() + limit
            while not running.done() and (left := await self._left()):
                if monotonic() > deadline:
                    named = ", ".join(
                        f"{row['id']} ({row['job_name']}, {row['status']})" for row in left[:MOST_NAMED]
                    )
                    raise TimeoutError(f"after {limit:g} s there are {len(left)} jobs left: {named}")
                await asyncio.sleep(LOOK)
        finally:
            daemon.stop()
            await running

    async def advance(self, time: timedelta) -> None:
        """As if so much time had passed: all times of all jobs are moved back by it, those of the grid
        too. What is due by then runs with the next `drain`."""
        connection = await self._database.connect("workbench", Use.ENGINE)
        try:
            await connection.execute(*self._database.query("testing/age_jobs", time=time))
        finally:
            await connection.close()

    async def _left(self) -> Sequence[asyncpg.Record]:
        return await self.client.pool.fetch("testing/list_unfinished_jobs", names=list(self._actions))
