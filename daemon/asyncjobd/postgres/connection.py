"""A connection, and one through a pooler that lends a server for one transaction, as pgbouncer can."""

from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

if TYPE_CHECKING:  # generic for type checkers only
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection


class PooledConnection(Connection):
    """Each statement is a transaction with its settings in it, as nothing of a session is there the next time."""

    settings = ""  # SQL

    async def fetch(  # type: ignore[override]
        self, query: str, *arguments: Any, **options: Any
    ) -> list[asyncpg.Record]:
        async with self.transaction():
            if self.settings:
                await self.execute(self.settings)
            return await super().fetch(query, *arguments, **options)
