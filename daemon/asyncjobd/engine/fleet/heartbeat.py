"""Says that this daemon lives, and knows when others may doubt it.

The renewal has a thread and a connection of its own: a handler that blocks the event loop does not starve it, for a
while. Where it cannot renew, the daemon is fenced before its lease ends: it claims nothing and cancels its handlers.
"""

import asyncio
from collections.abc import Callable
from math import inf
from time import monotonic

import asyncpg
import structlog
from anyio.from_thread import start_blocking_portal

from asyncjobd.engine.wake import Wake
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.link import Link
from asyncjobd.postgres.session import Session

RENEWALS = 3  # a lease
FENCED_AFTER = 0.8  # of a lease; in what is left of it handlers get to end
LONGEST_BLOCK = 4  # leases without a turn of the event loop, after which it is not renewed any more

log = structlog.get_logger("asyncjobd.heartbeat")


class WrittenOff(Exception):
    """This daemon's row is gone: others have taken its jobs."""


class Heartbeat:
    def __init__(
        self,
        database: Database,
        daemon_id: int,
        lease: float,
        *,
        running: Callable[[], int],
        figures: Callable[[], str],
        beaten: Callable[[list[asyncpg.Record]], None],
        fenced: Callable[[], None],
    ) -> None:
        """`database` is the thread's own, in which `running` and `figures` are asked. `beaten` hears of the others."""
        self._database = database
        self._daemon_id = daemon_id
        self._lease = lease
        self._running = running
        self._figures = figures
        self._beaten = beaten
        self._fenced = fenced
        self._loop = asyncio.get_running_loop()
        self._turn_asked_at: float | None = None  # since when the event loop owes a turn
        self._renewed_at = -inf  # when the last good renewal was sent
        self._others: list[asyncpg.Record] = []
        self._renewed = Wake()
        self.is_held = asyncio.Event()  # the lease: whoever claims waits for it

    async def run(self) -> None:
        with start_blocking_portal(name="heartbeat") as portal:
            renewing = asyncio.wrap_future(portal.start_task_soon(self._renew))
            renewing.add_done_callback(lambda _: self._renewed.set())
            try:
                while not renewing.done():
                    left = self._renewed_at + FENCED_AFTER * self._lease - monotonic()
                    self._hold() if left > 0 else self._fence()
                    await self._renewed.wait(left if left > 0 else None)
            finally:
                renewing.cancel()
        await renewing

    def _hold(self) -> None:
        if not self.is_held.is_set():
            self.is_held.set()
            log.info("lease.held", seconds=self._lease)
        self._beaten(self._others)

    def _fence(self) -> None:
        if self.is_held.is_set():
            self.is_held.clear()
            log.error("lease.unsure", reason="it could not be renewed: handlers are cancelled, nothing is claimed",
                      running=self._running())  # fmt: skip
            self._fenced()

    async def _renew(self) -> None:
        """In the thread."""
        interval = self._lease / RENEWALS
        link = Link(self._database)
        session = Session(link, "heartbeat", patience=interval / 2)
        try:
            while True:
                sent_at = monotonic()
                if (asked_at := self._turn_asked_at) is None:
                    self._turn_asked_at = asked_at = sent_at
                    self._loop.call_soon_threadsafe(self._turn)
                if sent_at <= asked_at + LONGEST_BLOCK * self._lease:
                    rows = await session.run(
                        "fleet/renew_lease",
                        daemon_id=self._daemon_id,
                        running=self._running(),
                        metrics=self._figures(),
                    )
                    if not rows:
                        raise WrittenOff(
                            f"daemon {self._daemon_id} was silent for its lease, and was written off"
                        )
                    self._renewed_at, self._others = sent_at, [row for row in rows if row["id"] is not None]
                    self._loop.call_soon_threadsafe(self._renewed.set)
                await asyncio.sleep(sent_at + interval - monotonic())
        finally:
            link.close()

    def _turn(self) -> None:
        self._turn_asked_at = None
