"""A workbench: a daemon in the test's own process that runs the jobs of a database until none is left."""

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
from asyncjobd.actions.exceptions import load_rules
from asyncjobd.actions.imports import LoadError
from asyncjobd.client import Client
from asyncjobd.config.durations import require_timedelta
from asyncjobd.config.model import ActionConfig, Config, DaemonConfig, DatabaseConfig
from asyncjobd.config.tables import TableError, to_struct
from asyncjobd.engine.daemon import Daemon
from asyncjobd.postgres.database import Database, Use
from asyncjobd.testing.inline import loaded_handler

PAUSE = 0.01  # seconds between two reads of the jobs that are left
THREADS = 4  # they run synchronous functions
MOST_NAMED = 5  # jobs that an error names


class Workbench:
    """Runs the jobs of a database that has the schema, and that nobody else uses.

    async with Workbench.connect(dsn) as workbench:
        workbench.serve("EmailSender", EmailSender)
        job = JobBuilder("EmailSender").set_params({"to": "a@b.c"}).build()
        job_id = await workbench.client.insert(job)
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
        """Open a workbench on a database."""
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
        """Run jobs of this name with a JobHandler, a function, or "module:attribute".

        `defaults` are keys of [actions.NAME], such as retry_interval="90 s". Raise LoadError for any of these
        that a daemon would refuse.
        """
        try:
            config = to_struct(ActionConfig, {"handler": str(handler), "options": dict(options), **defaults})
        except TableError as error:
            raise LoadError(f"{name}: {error}") from error
        if config.isolation == "process" and not isinstance(handler, str):
            raise LoadError(f"{name}: a process of its own imports its handler: expected 'module:attribute'")
        self._actions[name] = Action(
            name, config, loaded_handler(handler, self._threads, options),
            exceptions=load_rules(config.fatal_exceptions, config.retried_exceptions),
        )  # fmt: skip

    async def drain(self, timeout: timedelta = timedelta(seconds=30)) -> None:
        """Run the jobs of the served names until none of them is ready, due or running.

        Jobs that are inserted or due again meanwhile run too. Raise TimeoutError if some are left after the
        `timeout`.
        """
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
                    jobs = [f"{row['id']} ({row['job_name']}, {row['status']})" for row in left[:MOST_NAMED]]
                    raise TimeoutError(
                        f"after {limit:g} s there are {len(left)} jobs left: {', '.join(jobs)}"
                    )
                await asyncio.sleep(PAUSE)
        finally:
            daemon.stop()
            await running

    async def advance(self, time: timedelta) -> None:
        """Move all times of all jobs back, those of the grid too, as if this time had passed.

        Jobs that are due by then run with the next `drain`.
        """
        connection = await self._database.connect("workbench", Use.ENGINE)
        try:
            await connection.execute(*self._database.query("testing/age_jobs", time=time))
        finally:
            await connection.close()

    async def _left(self) -> Sequence[asyncpg.Record]:
        return await self.client.pool.fetch("testing/list_unfinished_jobs", names=list(self._actions))
