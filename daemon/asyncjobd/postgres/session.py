"""One connection that a part of the engine owns alone, and that comes back by itself after an outage."""

import asyncio
import random
from typing import Any

import asyncpg
import structlog

from asyncjobd.postgres.database import Connection, Database
from asyncjobd.postgres.outage import is_outage

FIRST_DELAY = 0.05  # seconds; doubles up to MAX_DELAY, half of it by chance
MAX_DELAY = 5.0

log = structlog.get_logger("asyncjobd.session")


class Session:
    def __init__(self, database: Database, purpose: str) -> None:
        self._database = database
        self._purpose = purpose
        self._connection: Connection | None = None

    async def run(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Runs queries/QUERY.sql until it succeeds: outages are waited out, what else goes wrong is raised.

        A statement whose reply was lost runs again, so each is written to do no harm the second time.
        """
        text = self._database.query(query)
        delay = FIRST_DELAY
        while True:
            try:
                connection = await self.connection()
                return await connection.fetch(text, *arguments)
            except Exception as error:
                if not is_outage(error):
                    raise
                log.warning(
                    "database.away", part=self._purpose, reason=f"{type(error).__name__}: {error}", retry_in=delay
                )
            await self.close()
            await asyncio.sleep(delay * random.uniform(0.5, 1))  # noqa: S311
            delay = min(delay * 2, MAX_DELAY)

    async def connection(self) -> Connection:
        """The live connection; made now if there is none."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._database.connect(self._purpose, is_engine=True)
        return self._connection

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
