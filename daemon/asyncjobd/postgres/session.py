"""A connection of one part of the engine, or of several in turn, that is made again after an outage."""

import asyncio
from time import monotonic
from typing import Any

import asyncpg
import structlog

from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.link import BackOff, Link
from asyncjobd.postgres.outage import is_forbidden, is_outage_or_closed, named, needs_new_session

PATIENCE = 10.0  # seconds for a reply; a server that is gone without closing the connection sends none
MAX_PATIENCE = 600.0
SLACK = 30.0  # seconds that connecting may take in addition

log = structlog.get_logger("asyncjobd.database")


class Session:
    def __init__(self, link: Link, purpose: str, patience: float = PATIENCE) -> None:
        self._link = link
        self._purpose = purpose
        self._patience = patience
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()  # of whoever runs a query
        self._waits_until = 0.0  # monotonic

    @property
    def is_waiting(self) -> bool:
        """Return whether a query waits for its reply, and not for longer than it may."""
        return monotonic() < self._waits_until

    async def run(self, query: str, /, **arguments: Any) -> list[asyncpg.Record]:
        """Run queries/QUERY.sql until it succeeds, and return its rows.

        Outages are waited out; every other error is raised. A statement whose reply was lost runs again, so
        each query is written to do no harm the second time. One that is not answered in time gets twice as
        long the next time, up to MAX_PATIENCE, so that a slow one succeeds in the end.
        """
        statement = self._link.database.query(query, **arguments)
        async with self._turn:
            return await self._run(statement)

    async def _run(self, statement: tuple[Any, ...]) -> list[asyncpg.Record]:
        patience = self._patience
        back_off = BackOff()
        while True:
            self._waits_until = monotonic() + patience + SLACK
            connection = await self.connection()
            try:
                rows = await connection.fetch(*statement, timeout=patience)
            except Exception as error:
                is_revoked = is_forbidden(error) and self._link.has_answered  # a right can be granted again
                if not is_revoked and not is_outage_or_closed(error, connection):
                    raise
                if isinstance(error, TimeoutError):
                    patience = min(2 * patience, MAX_PATIENCE)
                self.failed(connection, error)
            else:
                self._waits_until = 0.0
                self._link.has_answered = True
                return rows
            await back_off.wait()

    def failed(self, connection: Connection, error: BaseException) -> None:
        """Handle a failed query: close this connection if it is broken, and all others too if the server is.

        A server that does not reply may be silent to this session only.
        """
        if needs_new_session(error):
            if not isinstance(error, TimeoutError):
                self._link.expire(connection, self._purpose, error)
            connection.terminate()
        else:
            log.warning("statement.failed", part=self._purpose, reason=named(error))

    async def connection(self) -> Connection:
        """Return the connection; make it, however long that takes, if there is none."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._link.connect(self._purpose)
        return self._connection
