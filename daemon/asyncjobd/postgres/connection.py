"""A connection, and one through a pooler that lends a server for one transaction, as pgbouncer can."""

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
async def until(seconds: float | None, connection: Connection) -> AsyncIterator[None]:
    """Terminates the connection if the block takes longer, and raises TimeoutError: a block that is cancelled would
    wait once more, for the answer to its ROLLBACK."""
    if seconds is None:
        yield
        return
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    ending = loop.call_at(end, connection.terminate)
    try:
        yield
    except Exception as error:
        if loop.time() >= end and connection.is_closed():
            raise TimeoutError(f"no answer within {seconds:g} s") from error
        raise
    finally:
        ending.cancel()


class PooledConnection(Connection):
    """Each statement is a transaction with its settings in it, as nothing of a session is there the next time."""

    settings = ""  # SQL

    async def fetch(  # type: ignore[override]
        self, query: str, *arguments: Any, timeout: float | None = None, **options: Any
    ) -> list[asyncpg.Record]:
        async with until(timeout, self), self.transaction():
            if self.settings:
                await self.execute(self.settings)
            return await super().fetch(query, *arguments, **options)
