"""The daemon's way to its database: sessions that go together when the server does, and come back one at a time."""

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
from asyncjobd.postgres.outage import FAILURES

FIRST_DELAY = 0.05  # seconds; doubles up to MAX_DELAY, a half of it by chance
MAX_DELAY = 1.5
SAID_AGAIN = 60.0  # seconds between two lines about one outage, for the same reason

log = structlog.get_logger("asyncjobd.database")


class BackOff:
    """Waits that grow, so that many who failed at once do not try again at once."""

    def __init__(self, first: float = FIRST_DELAY, longest: float = MAX_DELAY) -> None:
        self._delay = first
        self._longest = longest

    async def wait(self) -> None:
        delay, self._delay = self._delay, min(self._delay * 2, self._longest)
        await asyncio.sleep(delay * random.uniform(0.5, 1))  # noqa: S311


class Link:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.outages = 0  # since the start
        self._subscribers: list[Callable[[], None]] = []
        self._connecting = asyncio.Lock()
        self._live: set[Connection] = set()
        self.away_since: datetime | None = None  # None: it is there
        self.has_answered = False  # a statement of ours, once
        self._because = ""
        self._said: dict[str, float] = {}  # why it is away, and when that was logged (monotonic)

    @property
    def away(self) -> str | None:
        """Since when it is, and why; None: it is there. Any thread may ask."""
        since = self.away_since
        return None if since is None else f"since {since:%H:%M:%S} UTC: {self._because}"

    def subscribe(self, call: Callable[[], None]) -> None:
        """Call this whenever the database goes away, and when it comes back."""
        self._subscribers.append(call)

    def _publish(self) -> None:
        for call in self._subscribers:
            call()

    async def connect(self, purpose: str) -> Connection:
        """A new connection; an outage is waited out, and so is a refusal: what runs need not end as a password was
        changed, and the sessions that there are go on."""
        async with self._connecting:
            back_off = BackOff()
            while True:
                try:
                    connection = await self.database.connect(purpose, Use.ENGINE)
                except (*FAILURES, EmbeddedError) as error:
                    self._lost(purpose, error)
                else:
                    self._live = {each for each in self._live if not each.is_closed()} | {connection}
                    self._found()
                    return connection
                await back_off.wait()

    def expire(self, connection: Connection, purpose: str, error: BaseException) -> None:
        """This one failed, so that all go that are as old: each would find out for itself, and some never."""
        if connection in self._live:
            self._lost(purpose, error)
            self.close()

    def close(self) -> None:
        live, self._live = self._live, set()
        for connection in live:
            connection.terminate()

    def _lost(self, purpose: str, error: BaseException) -> None:
        is_news = self.away_since is None
        if is_news:
            self.away_since = datetime.now(UTC)
            self.outages += 1
            self._said.clear()
        reason = f"{type(error).__name__}: {error}".rstrip(": ")
        self._because = reason.partition("\n")[0]
        if monotonic() >= self._said.get(reason, -inf) + SAID_AGAIN:
            self._said[reason] = monotonic()
            log.warning("database.away", part=purpose, reason=reason)
        if is_news:
            self._publish()

    def _found(self) -> None:
        if self.away_since is not None:
            log.info("database.back", away_since=self.away_since.isoformat())
            self.away_since = None
            self._publish()
