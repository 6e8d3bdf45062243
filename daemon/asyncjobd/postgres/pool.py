"""Connections that many use for a short while, one after the other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.database import Database, Use
from asyncjobd.postgres.outage import is_outage

LAST_ANSWER = 1.0  # seconds to say goodbye
RESET_ROLE = "reset session authorization; reset role"  # which asyncpg's reset leaves


class Pool:
    """A connection that handlers have had is reset before the next one has it. Nobody changes the state of the others,
    which saves asyncpg's pool's statement each time."""

    def __init__(self, database: Database, purpose: str, size: int, use: Use = Use.CLIENT) -> None:
        self._database = database
        self._purpose = purpose
        self._use = use
        self._idle: list[Connection] = []
        self._slots = asyncio.Semaphore(size)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Waits for one, and for a free place."""
        async with self._slots:
            connection = await self._idle_one() or await self._database.connect(self._purpose, self._use)
            try:
                yield connection
            except BaseException as error:
                if is_outage(error) or isinstance(error, asyncio.CancelledError):
                    connection.terminate()
                raise
            finally:
                if not connection.is_closed():
                    self._idle.append(connection)

    async def fetch(self, query: str, /, **arguments: Any) -> list[asyncpg.Record]:
        """Run queries/QUERY.sql on one of the connections, and return its rows."""
        async with self.connection() as connection:
            return await connection.fetch(*self._database.query(query, **arguments))

    async def _idle_one(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            try:
                if self._use is Use.HANDLER and not connection.is_closed():
                    await connection.reset()
                    await connection.execute(RESET_ROLE)
            except BaseException as error:
                connection.terminate()
                if not is_outage(error):
                    raise
            if not connection.is_closed():
                return connection
        return None

    def clear(self) -> None:
        """Drops what is idle: it may be of a server that is gone."""
        while self._idle:
            self._idle.pop().terminate()

    async def close(self) -> None:
        while self._idle:
            with suppress(OSError, asyncpg.InterfaceError):  # it may be half-open
                await self._idle.pop().close(timeout=LAST_ANSWER)
