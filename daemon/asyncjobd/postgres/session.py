"""One connection that a part of the engine owns alone, and that comes back by itself after an outage."""

from time import monotonic
from typing import Any

import asyncpg
import structlog

from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.link import BackOff, Link
from asyncjobd.postgres.outage import is_forbidden, is_outage_or_closed, needs_new_session

PATIENCE = 10.0  # seconds for an answer; a peer that is gone without a word gives none
MAX_PATIENCE = 600.0
SLACK = 30.0  # seconds that connecting may take besides

log = structlog.get_logger("asyncjobd.database")


class Session:
    def __init__(self, link: Link, purpose: str, patience: float = PATIENCE) -> None:
        self._link = link
        self._purpose = purpose
        self._patience = patience
        self._connection: Connection | None = None
        self._waits_until = 0.0  # monotonic

    @property
    def is_waiting(self) -> bool:
        """For an answer, and not for longer than it may."""
        return monotonic() < self._waits_until

    async def run(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Runs queries/QUERY.sql until it succeeds: outages are waited out, what else goes wrong is raised.

        A statement whose reply was lost runs again, so each is written to do no harm the second time. One that is not
        answered in time gets twice as much the next time, so that one that needs long succeeds in the end.
        """
        text = self._link.database.query(query)
        patience = self._patience
        back_off = BackOff()
        while True:
            self._waits_until = monotonic() + patience + SLACK
            connection = await self.connection()
            try:
                rows = await connection.fetch(text, *arguments, timeout=patience)
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
        """A server that went away or changed its role is lost to all; one that is silent perhaps to this one only."""
        if needs_new_session(error):
            if not isinstance(error, TimeoutError):
                self._link.expire(connection, self._purpose, error)
            connection.terminate()
        else:
            log.warning("statement.failed", part=self._purpose, reason=f"{type(error).__name__}: {error}")

    async def connection(self) -> Connection:
        """The live connection; made now if there is none."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._link.connect(self._purpose)
        return self._connection
