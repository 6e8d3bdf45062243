"""Says that this daemon lives; and as slowly, looks for work that no notification told of."""

import asyncio
from collections.abc import Callable

from asyncjobd.postgres.session import Session


class WrittenOff(Exception):
    """This daemon's row is gone: others have taken its jobs."""


class Heartbeat:
    def __init__(
        self,
        session: Session,
        daemon_id: int,
        interval: float,
        *,
        running: Callable[[], int],
        beaten: Callable[[], None],
    ) -> None:
        self._session = session
        self._daemon_id = daemon_id
        self._interval = interval
        self._running = running
        self._beaten = beaten

    async def run(self) -> None:
        while True:
            if not await self._session.run("beat", self._daemon_id, self._running()):
                raise WrittenOff(f"daemon {self._daemon_id} was silent for longer than its lease and was written off")
            self._beaten()
            await asyncio.sleep(self._interval)
