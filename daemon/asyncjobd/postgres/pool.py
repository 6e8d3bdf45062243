"""A pool of connections, each lent out for a short time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.database import Database, Use
from asyncjobd.postgres.outage import is_outage

CLOSE_SECONDS = 1.0  # the time for the server to answer the end of a session
RESET_ROLE = "reset session authorization; reset role"  # not a part of asyncpg's reset


class Pool:
    """At most `size` connections of one purpose.

    A connection that was lent to a handler is reset before it is lent out again. Other users do not change
    the state of a connection, which saves the statement by which asyncpg's own pool resets each one.

    It belongs to the event loop that uses it first.
    """

    def __init__(self, database: Database, purpose: str, size: int, use: Use = Use.CLIENT) -> None:
        self._database = database
        self._purpose = purpose
        self._use = use
        self.size = size
        self.waiting = 0  # those who wait for a connection
        self.taken = 0  # how often a connection was lent, since the start
        self._idle: list[Connection] = []
        self._slots = asyncio.Semaphore(size)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection for the block, waiting until one is free.

        A block that is left by an outage or a cancellation closes it. Raise RuntimeError after `close`, and in
        another event loop than the one that the pool belongs to.
        """
        self._check_loop()
        self.waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self.waiting -= 1
        self.taken += 1
        try:
            if self._is_closed:
                raise RuntimeError(f"the {self._purpose} connections are closed for good")
            connection = await self._take_idle() or await self._database.connect(self._purpose, self._use)
            try:
                yield connection
            except BaseException as error:
                if is_outage(error) or isinstance(error, asyncio.CancelledError):
                    connection.terminate()
                raise
            finally:
                if self._is_closed:
                    connection.terminate()
                elif not connection.is_closed():
                    self._idle.append(connection)
        finally:
            self._slots.release()

    def _check_loop(self) -> None:
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if loop is not self._loop:
            raise RuntimeError(
                f"the {self._purpose} connections belong to another event loop: use one client in each; a handler in a "
                "thread calls the methods of its context"
            )

    async def fetch(self, query: str, /, **arguments: Any) -> list[asyncpg.Record]:
        """Run queries/QUERY.sql on one of the connections, and return its rows."""
        async with self.connection() as connection:
            return await connection.fetch(*self._database.query(query, **arguments))

    async def _take_idle(self) -> Connection | None:
        """Return an idle connection that works, reset if a handler had it, or None."""
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
        """Close the idle connections, as their server may be gone."""
        while self._idle:
            self._idle.pop().terminate()

    async def close(self) -> None:
        """Close all connections, those that are lent as soon as they come back, and refuse to lend others."""
        self._is_closed = True
        await self.close_idle()

    async def close_idle(self) -> None:
        """Close the idle connections in agreement with the server."""
        while self._idle:
            with suppress(OSError, asyncpg.InterfaceError):  # the server may be gone
                await self._idle.pop().close(timeout=CLOSE_SECONDS)
