"""Tells the other daemons of rows that this one has made ready, and may not run at once itself."""

import asyncio

from asyncjobd.engine.signals import Announcements
from asyncjobd.postgres.session import Session

SEND_INTERVAL = 0.05  # seconds between two rounds of notifications


class Announcer:
    def __init__(self, session: Session, announcements: Announcements) -> None:
        self._session = session
        self._announcements = announcements

    async def run(self) -> None:
        while True:
            await self._announcements.wait()
            for payload in self._announcements.take():
                await self._session.run("wakeup/notify_daemons", message=payload)
            await asyncio.sleep(SEND_INTERVAL)
