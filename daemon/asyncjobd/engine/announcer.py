"""Tells the other daemons of rows that this one has made ready and may not run at once itself."""

import asyncio

from asyncjobd.engine.wake import Wake
from asyncjobd.postgres.session import Session

INTERVAL = 0.05  # seconds between two notifications


class Announcer:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._asked = Wake()

    def tell(self) -> None:
        """Rows are ready: each daemon that has a free slot is to look for them."""
        self._asked.set()

    async def run(self) -> None:
        while True:
            await self._asked.wait()
            await self._session.run("announce")
            await asyncio.sleep(INTERVAL)
