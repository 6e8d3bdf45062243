"""The daemon's connections to its database: closed together in an outage, reopened one at a time."""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime
from math import inf
from time import monotonic

import structlog

from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.database import Database, Use
from asyncjobd.postgres.embedded import EmbeddedError
from asyncjobd.postgres.outage import FAILURES, named

FIRST_DELAY = 0.05  # seconds before the second attempt to connect; doubles up to MAX_DELAY
MAX_DELAY = 1.5  # seconds
REPEAT_LOG_SECONDS = 60.0  # the time between two log lines about one outage for the same reason

log = structlog.get_logger("asyncjobd.database")


class BackOff:
    """Growing delays with jitter, so that many clients that failed together do not try again together."""

    def __init__(self, first: float = FIRST_DELAY, longest: float = MAX_DELAY) -> None:
        """Create the back-off. `first` and `longest` are the delays in seconds without the jitter."""
        self._delay = first
        self._longest = longest

    async def wait(self) -> None:
        """Sleep for a random time between half the delay and the delay, and double the delay."""
        delay, self._delay = self._delay, min(self._delay * 2, self._longest)
        await asyncio.sleep(delay * random.uniform(0.5, 1))  # noqa: S311


class Link:
    """The connections of one daemon, and its knowledge of whether the database is there.

    Attributes:
        database: The database.
        outages: The number of outages since the start of the daemon.
        away_since: When the present outage began; None if there is none.
        has_answered: True once a statement has succeeded.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.outages = 0
        self._subscribers: list[Callable[[], None]] = []
        self._connecting = asyncio.Lock()
        self._live: set[Connection] = set()
        self.away_since: datetime | None = None
        self.has_answered = False
        self._reason = ""  # the present outage's
        self._logged_at: dict[str, float] = {}  # by reason (monotonic)

    @property
    def away(self) -> str | None:
        """The beginning and the reason of the present outage, or None. Safe to read in any thread."""
        since = self.away_since
        return None if since is None else f"since {since:%H:%M:%S} UTC: {self._reason}"

    def subscribe(self, call: Callable[[], None]) -> None:
        """Call this whenever an outage begins or ends."""
        self._subscribers.append(call)

    def _publish(self) -> None:
        for call in self._subscribers:
            call()

    async def connect(self, purpose: str) -> Connection:
        """Return a new connection, waiting until the database accepts one.

        A refused login is waited out as well: the password may be changed while the daemon runs, and the
        connections that exist continue.
        """
        async with self._connecting:
            back_off = BackOff()
            while True:
                try:
                    connection = await self.database.connect(purpose, Use.ENGINE)
                except (*FAILURES, EmbeddedError) as error:
                    self._note_outage(purpose, error)
                else:
                    self._live = {each for each in self._live if not each.is_closed()} | {connection}
                    self._note_recovery()
                    return connection
                await back_off.wait()

    def expire(self, connection: Connection, purpose: str, error: BaseException) -> None:
        """Close all connections, because this one failed; ignored if it was closed by an earlier call.

        Otherwise each part would have to find out by itself, and one that only listens never would.
        """
        if connection in self._live:
            self._note_outage(purpose, error)
            self.close()

    def close(self) -> None:
        """Close all connections."""
        live, self._live = self._live, set()
        for connection in live:
            connection.terminate()

    def _note_outage(self, purpose: str, error: BaseException) -> None:
        is_new = self.away_since is None
        if is_new:
            self.away_since = datetime.now(UTC)
            self.outages += 1
            self._logged_at.clear()
        reason = named(error)
        self._reason = reason.partition("\n")[0]
        if monotonic() >= self._logged_at.get(reason, -inf) + REPEAT_LOG_SECONDS:
            self._logged_at[reason] = monotonic()
            log.warning("database.away", part=purpose, reason=reason)
        if is_new:
            self._publish()

    def _note_recovery(self) -> None:
        if self.away_since is not None:
            log.info("database.back", away_since=self.away_since.isoformat())
            self.away_since = None
            self._publish()
