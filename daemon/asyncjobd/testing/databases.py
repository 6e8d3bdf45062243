"""Databases for tests, on one server."""

import itertools
from functools import cached_property

import asyncpg
from anyio.from_thread import BlockingPortal

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.embedded import EmbeddedServer
from asyncjobd.postgres.schema.migrate import migrate


class Databases:
    """Each is new, and told as its dsn. They go with the server."""

    def __init__(self, server: EmbeddedServer, portal: BlockingPortal) -> None:
        """`portal` is where the server runs: a thread's own event loop."""
        self._server = server
        self._portal = portal
        self._numbers = itertools.count(1)

    def empty(self) -> str:
        return self._portal.call(self._create, "template0")

    def with_schema(self) -> str:
        return self._portal.call(self._create, self._template)

    @cached_property
    def _template(self) -> str:
        """A copy takes less time than the migrations."""
        dsn = self.empty()
        self._portal.call(migrate, Database(DatabaseConfig(dsn=dsn)))
        return dsn.split("/")[3].split("?")[0]

    async def _create(self, template: str) -> str:
        name = f"test_{next(self._numbers)}"
        connection = await asyncpg.connect(self._server.dsn)
        await connection.execute(f"create database {name} template {template}")
        await connection.close()
        return self._server.dsn.replace("/postgres?", f"/{name}?")
