"""A database connection, also through a pooler such as pgbouncer, and a time limit for its statements."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

if TYPE_CHECKING:  # generic for type checkers only
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection


@asynccontextmanager
async def time_limit(seconds: float | None, connection: Connection) -> AsyncIterator[None]:
    """Close the connection if the block takes longer than `seconds` (None: no limit), and raise TimeoutError.

    asyncio.timeout would not do: the cancelled block would wait for the server once more, to answer its
    ROLLBACK.
    """
    if seconds is None:
        yield
        return
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    timer = loop.call_at(deadline, connection.terminate)
    try:
        yield
    except Exception as error:
        if loop.time() >= deadline and connection.is_closed():
            raise TimeoutError(f"no answer within {seconds:g} s") from error
        raise
    finally:
        timer.cancel()


class PooledConnection(Connection):
    """A connection through a pooler that lends out a server for one transaction.

    The next transaction may get another server, so each statement is sent in a transaction that first makes
    the settings.
    """

    settings = ""  # SQL statements

    async def fetch(  # type: ignore[override]
        self, query: str, *arguments: Any, timeout: float | None = None, **options: Any
    ) -> list[asyncpg.Record]:
        """Return the rows of a query; close the connection and raise TimeoutError after `timeout` seconds."""
        async with time_limit(timeout, self), self.transaction():
            if self.settings:
                await self.execute(self.settings)
            return await super().fetch(query, *arguments, **options)
