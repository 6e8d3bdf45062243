"""Tells the other daemons of rows that this one has made ready and may not run at once itself."""

import asyncio

from asyncjobd.engine.wake import Wake
from asyncjobd.postgres.session import Session

INTERVAL = 0.05  # seconds between two notifications


class Announcer:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._asked = Wake()
        self._news: set[str] = set()

    def tell(self) -> None:
        """Rows are ready: each daemon that has a free slot is to look for them."""
        self._say("ready")

    def tell_due(self, epoch: float) -> None:
        """A row is due then (seconds since 1970, database time), which only this daemon knows."""
        self._say(f"due {epoch:.6f}")

    def _say(self, news: str) -> None:
        self._news.add(news)
        self._asked.set()

    async def run(self) -> None:
        while True:
            await self._asked.wait()
            news, self._news = self._news, set()
            for each in news:
                await self._session.run("wakeup/notify_daemons", message=each)
            await asyncio.sleep(INTERVAL)
