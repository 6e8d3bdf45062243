"""Has clients notify of ready rows while the daemon sleeps, and only then: a commit that notifies holds up all others.

The gate of a job name is an advisory lock. Whoever makes a row ready asks for it shared, in its own transaction, and
notifies only where a daemon has it (the schema's function `announce`). A daemon shuts the gate and looks once more
before it sleeps: what was committed until then it sees, what comes later knocks. Where the knocks come fast, it opens
the gate and polls.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

import anyio
import asyncpg

from asyncjobd.engine.wake import Wake
from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.link import BackOff, Link
from asyncjobd.postgres.outage import FAILURES
from asyncjobd.postgres.session import PATIENCE, Session

FLOOD = 10  # knocks
FLOOD_SECONDS = 0.05
LAST_ANSWER = 1.0  # seconds to hand over
OTHERS_AGAIN = 1.0  # seconds until the locks that somebody else has are asked for again
QUEUED_WITHIN = 0.02  # seconds until a request for a lock is surely in its queue


class NotifyGate:
    def __init__(self, link: Link, names: list[str], look: Callable[[], None]) -> None:
        """`look`: for ready rows, whenever the gate has moved."""
        self._link = link
        self._session = Session(link, "gate")
        self._names = names
        self._look = look
        self._asked = Wake()
        self._changed = Wake()
        self._knocks: deque[float] = deque([0.0] * FLOOD, maxlen=FLOOD)
        self._is_flooded = False
        self.is_shut = False

    def serve(self, names: list[str]) -> None:
        """From the next time on that it is shut: it opens, and whoever wants it shut asks again."""
        self._names = names
        self._is_flooded = True
        self._changed.set()

    def shut(self) -> None:
        """Soon. Behind a pooler, where nothing is heard, never."""
        if not self._link.database.is_pooled:
            self._asked.set()

    def knocked(self) -> None:
        now = monotonic()
        self._knocks.append(now)
        if self.is_shut and now - self._knocks[0] < FLOOD_SECONDS:
            self._is_flooded = True
            self._changed.set()

    def try_again(self) -> None:
        """Somebody has opened the gate, or may have."""
        self._changed.set()

    async def run(self) -> None:
        back_off = BackOff()
        while True:
            await self._asked.wait()
            connection = await self._session.connection()
            try:
                await self._keep_shut(connection)
            except asyncio.CancelledError:
                await self._hand_over(connection)
                raise
            except FAILURES as error:  # without the gate the daemon polls
                self._open()
                self._session.failed(connection, error)
                await back_off.wait()
            else:
                back_off = BackOff()

    def _open(self) -> None:
        """Before the locks are given back: from here on nobody is waited for."""
        self.is_shut = False
        self._look()

    async def _keep_shut(self, connection: Connection) -> None:
        """Until the knocks come fast."""
        self._is_flooded = False
        self._changed.clear()
        connection.add_termination_listener(self._lost)
        missing = await self._try(connection)
        while not self._is_flooded:
            self.is_shut = True
            self._look()
            if clients := [key for key, is_daemons in missing.items() if not is_daemons]:
                await self._wait_for(connection, clients[0])
            else:  # who has them may give them back unheard: a daemon that dies, or a stranger
                await self._changed.wait(OTHERS_AGAIN if missing else None)
            if connection.is_closed():
                raise ConnectionError("the connection ended")
            if missing and not self._is_flooded:
                missing = await self._try(connection)
        self._asked.clear()
        self._open()
        connection.remove_termination_listener(self._lost)
        await connection.fetch(*self._link.database.query("wakeup/unlock_gates"), timeout=PATIENCE)

    async def _hand_over(self, connection: Connection) -> None:
        """At the end: a daemon that sleeps shuts the gate in place of this one, else nobody would knock there."""
        with (
            anyio.move_on_after(LAST_ANSWER, shield=True),
            suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError),
        ):
            await connection.fetch(*self._link.database.query("wakeup/unlock_gates"))

    async def _try(self, connection: Connection) -> dict[int, bool]:
        """What others have, and whether they are daemons. Ours may be taken twice; they are given back together."""
        query = self._link.database.query("wakeup/lock_gates", names=self._names)
        rows = await connection.fetch(*query, timeout=PATIENCE)
        return {row["key"]: row["is_daemons"] for row in rows}

    async def _wait_for(self, connection: Connection, key: int) -> None:
        looking = asyncio.get_running_loop().call_later(QUEUED_WITHIN, self._look)
        try:
            await connection.fetch(
                *self._link.database.query("wakeup/wait_for_gate", key=key), timeout=PATIENCE
            )
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            pass  # then the next request
        finally:
            looking.cancel()

    def _lost(self, _connection: object) -> None:
        """The locks went with the connection."""
        self._open()
        self._changed.set()
