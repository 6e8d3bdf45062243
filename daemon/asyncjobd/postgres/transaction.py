"""A handler's own transaction, which the completion of its job joins."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, cast

import asyncpg

from asyncjobd.postgres.connection import Connection, until
from asyncjobd.postgres.database import Database, Use
from asyncjobd.postgres.outage import FAILURES
from asyncjobd.postgres.pool import Pool

PATIENCE = 10.0  # seconds for an answer
CUT_OFF = (asyncpg.InterfaceError, asyncpg.PostgresConnectionError)


class CutOff(Exception):
    """The server has ended the connection of a handler's transaction, and has undone it."""


class Lent:
    """A handler's view of the connection of its transaction, which ends with the handler: a task that it has left
    behind writes nothing into the transaction of the next one."""

    def __init__(self, connection: Connection) -> None:
        self._connection: Connection | None = connection

    @property
    def is_cut(self) -> bool:
        return self._connection is None

    def cut(self) -> None:
        self._connection = None

    def __getattr__(self, name: str) -> Any:
        if self._connection is None:
            raise RuntimeError("the handler that this connection was for has ended")
        return getattr(self._connection, name)


class Transaction:
    """Begun where the handler first asks for it; ended by whoever runs the handler, when it has answered."""

    __slots__ = ("_beginning", "_connection", "_database", "_ends", "_lent", "_pool", "is_over")

    def __init__(self, database: Database, pool: Pool) -> None:
        self._database = database
        self._pool = pool
        self._connection: Connection | None = None
        self._lent: Lent | None = None
        self._ends = AsyncExitStack()
        self._beginning = asyncio.Lock()
        self.is_over = False  # the handler has ended: what it has left behind writes nothing any more

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    @asynccontextmanager
    async def join(self) -> AsyncIterator[Connection]:
        """Its connection. A block that is left by an exception undoes all that was written in it."""
        async with self._beginning:  # one, also where several tasks of the handler ask at once
            connection = self._connection or await self._begin()
        lent = self._lent
        assert lent is not None
        try:
            yield cast("Connection", lent)
        except BaseException as error:
            if (
                lent.is_cut
            ):  # a task that the handler has left behind: its transaction is committed, or about to be
                raise
            is_cut_off = connection.is_closed() and isinstance(error, CUT_OFF)
            await self.roll_back(error)
            if is_cut_off:
                raise await self._cut_off() from error
            raise

    async def _begin(self) -> Connection:
        async with AsyncExitStack() as ends:
            connection = await ends.enter_async_context(self._pool.connection())
            ends.callback(_invalidate, connection)
            await ends.enter_async_context(connection.transaction(isolation="read_committed"))
            if self.is_over:
                raise RuntimeError("the handler that this transaction was for has ended")
            self._connection, self._lent, self._ends = connection, Lent(connection), ends.pop_all()
            return connection

    async def run(
        self, query: str, /, *, patience: float = PATIENCE, **arguments: Any
    ) -> list[asyncpg.Record]:
        """Run queries/QUERY.sql in it with the engine's settings, and return its rows.

        Raise TimeoutError after `patience` seconds.
        """
        assert self._connection is not None
        self._cut()
        if self._connection.is_closed():
            raise await self._cut_off()
        async with until(patience, self._connection):
            # before it, what the site has deferred to the end of the transaction runs under the site's settings
            await self._connection.execute("set constraints all immediate;" + self._database.engine_settings)
            return await self._connection.fetch(*self._database.query(query, **arguments))

    def _cut(self) -> None:
        if self._lent is not None:
            self._lent.cut()

    async def _cut_off(self) -> "CutOff":
        """Return why the server may have ended the connection: the driver does not pass on the server's words."""
        settings: list[asyncpg.Record] = []
        with suppress(*FAILURES):
            connection = await self._database.connect("transaction", Use.HANDLER)
            try:
                async with until(PATIENCE, connection):
                    settings = await connection.fetch(*self._database.query("inspect/list_timeouts"))
            finally:
                connection.terminate()
        set_to = ", ".join(f"{row['name']} is {row['value']}" for row in settings)
        return CutOff(f"the server ended the connection of this transaction{f'; {set_to}' if set_to else ''}")

    async def commit(self) -> None:
        await self._end(None)

    async def roll_back(self, reason: BaseException) -> None:
        """`reason` decides what becomes of the connection: one that was cut off or cancelled is not used again."""
        connection = self._connection
        try:
            await self._end(reason)
        except asyncpg.InterfaceError:
            if connection is None or not connection.is_closed():
                raise  # else the server has undone it, and `reason` is the one to tell of

    async def _end(self, error: BaseException | None) -> None:
        self._cut()
        connection, self._connection = self._connection, None
        if connection is not None:
            async with until(PATIENCE, connection):
                if error is None:
                    await self._ends.aclose()
                else:
                    await self._ends.__aexit__(type(error), error, error.__traceback__)


def _invalidate(connection: Connection) -> None:
    """Prepared statements, cursors and savepoints of it are refused from now on, as asyncpg's own pool has it."""
    connection._on_release()  # type: ignore[attr-defined]
