"""The transaction of a handler's own writes.

The execution records the outcome of the job in it (engine/jobs/execution.py), so that both commit together or not at
all.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, cast

import asyncpg

from asyncjobd.postgres.connection import Connection, time_limit
from asyncjobd.postgres.database import Database, Use
from asyncjobd.postgres.outage import FAILURES
from asyncjobd.postgres.pool import Pool

STATEMENT_SECONDS = 10.0  # the time for the server to answer
CODEC_METHODS = {"set_type_codec", "set_builtin_type_codec", "reset_type_codec"}
CONNECTION_LOST = (asyncpg.InterfaceError, asyncpg.PostgresConnectionError)


class TransactionLost(Exception):
    """Raised when the server has ended the connection of a handler's transaction, which rolls it back."""


class HandlerConnection:
    """A proxy for the connection of a transaction, valid until the handler ends.

    A task that the handler leaves behind thereby cannot write into the transaction of the next handler.

    Attributes:
        has_own_codecs: True if the handler may have changed how values are encoded, which no reset undoes.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection: Connection | None = connection
        self.has_own_codecs = False

    @property
    def is_revoked(self) -> bool:
        """True after `revoke`."""
        return self._connection is None

    def revoke(self) -> None:
        """Refuse any further use with RuntimeError."""
        self._connection = None

    def __getattr__(self, name: str) -> Any:
        if self._connection is None:
            raise RuntimeError("the handler that this connection was for has ended")
        if name in CODEC_METHODS:
            self.has_own_codecs = True
        return getattr(self._connection, name)


class Transaction:
    """The transaction of one execution: begun by the first `join`, ended by the code that runs the handler.

    Attributes:
        is_over: True once the handler has ended, after which no transaction is begun.
    """

    __slots__ = (
        "_beginning",
        "_connection",
        "_database",
        "_handler_connection",
        "_pool",
        "_resources",
        "is_over",
    )

    def __init__(self, database: Database, pool: Pool) -> None:
        self._database = database
        self._pool = pool
        self._connection: Connection | None = None
        self._handler_connection: HandlerConnection | None = None
        # Its transaction and its place in the pool, to be released in this order
        self._resources = AsyncExitStack()
        self._beginning = asyncio.Lock()
        self.is_over = False

    @property
    def is_open(self) -> bool:
        """True between the begin and the end of the transaction."""
        return self._connection is not None

    @asynccontextmanager
    async def join(self) -> AsyncIterator[Connection]:
        """Provide the connection for the block. An exception that leaves the block rolls back everything.

        Raise TransactionLost if the server has ended the connection.
        """
        # Tasks of one handler that ask at the same time share a transaction
        async with self._beginning:
            connection = self._connection or await self._begin()
        handler_connection = self._handler_connection
        assert handler_connection is not None
        try:
            yield cast("Connection", handler_connection)
        except BaseException as error:
            if handler_connection.is_revoked:
                raise  # a task that the handler left behind must not end a transaction that may commit
            is_lost = connection.is_closed() and isinstance(error, CONNECTION_LOST)
            await self.roll_back(error)
            if is_lost:
                raise await self._transaction_lost() from error
            raise

    async def _begin(self) -> Connection:
        async with AsyncExitStack() as resources:
            connection = await resources.enter_async_context(self._pool.connection())
            lent = HandlerConnection(connection)
            resources.callback(_take_back, connection, lent)
            await resources.enter_async_context(connection.transaction(isolation="read_committed"))
            if self.is_over:
                raise RuntimeError("the handler that this transaction was for has ended")
            self._connection, self._handler_connection = connection, lent
            self._resources = resources.pop_all()
            return connection

    async def run(
        self, query: str, /, *, patience: float = STATEMENT_SECONDS, **arguments: Any
    ) -> list[asyncpg.Record]:
        """Run queries/QUERY.sql in the transaction, with the settings of the engine, and return its rows.

        The handler cannot use its connection any more. Raise TimeoutError after `patience` seconds, and
        TransactionLost if the server has ended the connection.
        """
        assert self._connection is not None
        self._revoke_connection()
        if self._connection.is_closed():
            raise await self._transaction_lost()
        async with time_limit(patience, self._connection):
            # First the site's deferred constraints, which are to be checked under the site's own settings
            await self._connection.execute("set constraints all immediate;" + self._database.engine_settings)
            return await self._connection.fetch(*self._database.query(query, **arguments))

    def _revoke_connection(self) -> None:
        if self._handler_connection is not None:
            self._handler_connection.revoke()

    async def _transaction_lost(self) -> TransactionLost:
        """Return the exception for a connection that the server ended, with the timeouts that may explain it.

        The server tells the reason in a message that asyncpg does not pass on.
        """
        settings: list[asyncpg.Record] = []
        with suppress(*FAILURES):
            connection = await self._database.connect("transaction", Use.HANDLER)
            try:
                async with time_limit(STATEMENT_SECONDS, connection):
                    settings = await connection.fetch(*self._database.query("inspect/list_timeouts"))
            finally:
                connection.terminate()
        timeouts = ", ".join(f"{row['name']} is {row['value']}" for row in settings)
        return TransactionLost(
            f"the server ended the connection of this transaction{f'; {timeouts}' if timeouts else ''}"
        )

    async def commit(self) -> None:
        """Commit the transaction, and return its connection to the pool."""
        await self._end(None)

    async def roll_back(self, reason: BaseException) -> None:
        """Roll back the transaction. Its connection is closed if `reason` is an outage or a cancellation."""
        connection = self._connection
        try:
            await self._end(reason)
        except asyncpg.InterfaceError:
            # The server rolls back the transaction of a closed connection, and `reason` is the error to
            # report.
            if connection is None or not connection.is_closed():
                raise

    async def _end(self, error: BaseException | None) -> None:
        self._revoke_connection()
        connection, self._connection = self._connection, None
        if connection is not None:
            async with time_limit(STATEMENT_SECONDS, connection):
                if error is None:
                    await self._resources.aclose()
                else:
                    await self._resources.__aexit__(type(error), error, error.__traceback__)


def _take_back(connection: Connection, lent: HandlerConnection) -> None:
    """Refuse further use of the handler's prepared statements, cursors and savepoints, as asyncpg's pool.

    Close a connection whose codecs are the handler's, so that the next handler has a new one.
    """
    connection._on_release()  # type: ignore[attr-defined]
    if lent.has_own_codecs:
        connection.terminate()
