"""The transactions of the page: it looks as a reader and orders as a producer, whatever its login may do more."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.connection import Connection, time_limit
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.pool import Pool
from asyncjobd.postgres.schema.migrate import check_version
from asyncjobd.web.viewer import Viewer

CONNECTIONS = 4
READ_LIMIT = "set local statement_timeout = '3s';"
ORDER_LIMIT = "set local statement_timeout = '5s';"  # also of one that waits for a lock
LONGEST_TRANSACTION = 10.0  # seconds; also until a server that does not answer is given up


class Statements:
    """Runs statements in one transaction."""

    def __init__(self, connection: Connection, database: Database) -> None:
        self._connection = connection
        self._database = database

    async def fetch(self, query: str, /, **arguments: Any) -> list[asyncpg.Record]:
        """Run queries/QUERY.sql, and return its rows.

        Raise what `outage.FAILURES` has, such as asyncpg.QueryCanceledError for one that takes too long.
        """
        return await self._connection.fetch(*self._database.query(query, **arguments))

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo only what the block has written if that is refused, and not the whole transaction."""
        async with self._connection.transaction():
            yield


class Transactions:
    """The transactions of one page on one database, over at most CONNECTIONS connections.

    Each takes the role of the schema that may do just this, so that PostgreSQL refuses what the page should never have
    asked for. The login of the page must be a member of these roles: `asyncjobd web role` prints how to make one.

    Attributes:
        database: The database.
        is_read_only: True if the server took no writes at the last look, such as a replica.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.is_read_only = False
        self._pool = Pool(database, "web", CONNECTIONS)

    @classmethod
    @asynccontextmanager
    async def connect(cls, dsn: str = "", schema: str = "asyncjob") -> AsyncIterator["Transactions"]:
        """Open the transactions of a page that is a part of another program. Without a dsn it is the embedded server's.

        async with Transactions.connect(dsn) as transactions:
            app.mount("/jobs", application(transactions, viewer_of))
        """
        database = Database(DatabaseConfig(dsn=dsn, schema=schema))
        transactions = cls(database)
        try:
            yield transactions
        finally:
            await transactions.close()
            await database.close()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Statements]:
        """Give a read-only transaction as a reader, with the engine's settings, as `Observer` needs them.

        No statement of it takes longer than 3 s. Raise TimeoutError where it takes longer than LONGEST_TRANSACTION.
        """
        async with self._as_role("asyncjob_reader", readonly=True) as connection:
            await connection.execute(self.database.engine_settings + READ_LIMIT)
            statements = Statements(connection, self.database)
            (row,) = await statements.fetch("inspect/check_writes")
            self.is_read_only = row["is_read_only"]
            yield statements

    def ordering(self, viewer: Viewer) -> AbstractAsyncContextManager[Statements]:
        """Give a transaction as a producer, who inserts and controls jobs, signed with the name of the viewer."""
        return self._writing("asyncjob_producer", viewer)

    def operating(self, viewer: Viewer) -> AbstractAsyncContextManager[Statements]:
        """Give a transaction as an operator, who pauses and limits actions, drains daemons and changes schedules."""
        return self._writing("asyncjob_operator", viewer)

    async def order(self, viewer: Viewer, query: str, /, **arguments: Any) -> list[asyncpg.Record]:
        """Run queries/QUERY.sql in an `ordering` transaction of its own, and return its rows."""
        async with self.ordering(viewer) as statements:
            return await statements.fetch(query, **arguments)

    async def check(self) -> None:
        """Raise SchemaError where the schema is another version's, and what `outage.FAILURES` has otherwise.

        asyncpg.InsufficientPrivilegeError and asyncpg.InvalidParameterValueError say that the login cannot become a
        reader.
        """
        async with self._as_role("asyncjob_reader", readonly=True) as connection:
            await check_version(connection, self.database)

    async def close(self) -> None:
        """Close the connections, none of which may be in use."""
        await self._pool.close()

    @asynccontextmanager
    async def _writing(self, role: str, viewer: Viewer) -> AsyncIterator[Statements]:
        async with self._as_role(role, readonly=False) as connection:
            await connection.execute(ORDER_LIMIT)
            actor = self.database.sql("asyncjob.actor")
            await connection.execute("select pg_catalog.set_config($1, $2, true)", actor, viewer.name)
            yield Statements(connection, self.database)

    @asynccontextmanager
    async def _as_role(self, role: str, *, readonly: bool) -> AsyncIterator[Connection]:
        """Give a connection in a transaction that has this role of the schema."""
        async with (
            self._pool.connection() as connection,
            time_limit(LONGEST_TRANSACTION, connection),
            connection.transaction(readonly=readonly),
        ):
            await connection.execute(f"set local role {self.database.sql(role)}")
            yield connection
