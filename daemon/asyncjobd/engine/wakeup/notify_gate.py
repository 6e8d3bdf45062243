"""Lets clients notify of ready rows while the daemon sleeps, and only then.

A commit that notifies holds up all others, so nobody should notify a daemon that polls anyway. The gate of a job name
is an advisory lock. A client that makes a row ready tries to take it shared, in its own transaction, and notifies only
if a daemon has it (the schema's function `announce`). A daemon shuts the gate, and looks once more before it sleeps:
it sees what was committed until then, and is notified of what comes later. When notifications come fast, the daemon
opens the gate and polls.
"""

import asyncio
from collections import deque
from contextlib import suppress
from time import monotonic

import anyio
import asyncpg

from asyncjobd.actions.catalog import ActionCatalog
from asyncjobd.engine.signals import Signals
from asyncjobd.engine.wake import Wake
from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.link import BackOff, Link
from asyncjobd.postgres.outage import FAILURES
from asyncjobd.postgres.session import PATIENCE, Session

FLOOD_COUNT = 10  # notifications within FLOOD_SECONDS, from which on polling is cheaper
FLOOD_SECONDS = 0.05
HAND_OVER_TIMEOUT = 1.0  # seconds
OTHERS_RETRY = 1.0  # seconds until the locks that somebody else has are tried again
QUEUED_WITHIN = 0.02  # seconds within which a request for a lock is surely in its queue


class NotifyGate:
    def __init__(self, link: Link, catalog: ActionCatalog, signals: Signals) -> None:
        self._link = link
        self._session = Session(link, "gate")
        self._catalog = catalog
        self._rows_ready = signals.rows_ready
        self._changed = signals.gate_changed
        self._shut_wanted = Wake()
        self._notified: deque[float] = deque([0.0] * FLOOD_COUNT, maxlen=FLOOD_COUNT)  # monotonic
        self._is_flooded = False
        self._version = 0  # of the catalog that the gate was shut for
        self.is_shut = False

    def shut(self) -> None:
        """Shut the gate soon. Behind a pooler, through which no notification comes, it stays open."""
        if not self._link.database.is_pooled:
            self._shut_wanted.set()

    def note_notification(self, job_name: str | None) -> None:
        """Pass on that rows of this name are ready (None: of unknown names), and open the gate if too many are."""
        if job_name is None:
            self._count_notification()
            self._rows_ready.add()
        elif job_name in self._catalog.served:
            self._count_notification()
            self._rows_ready.add(job_name)

    def _count_notification(self) -> None:
        now = monotonic()
        self._notified.append(now)
        if self.is_shut and now - self._notified[0] < FLOOD_SECONDS:
            self._is_flooded = True
            self._changed.set()

    async def run(self) -> None:
        back_off = BackOff()
        while True:
            await self._shut_wanted.wait()
            connection = await self._session.connection()
            try:
                await self._keep_shut(connection)
            except asyncio.CancelledError:
                await self._hand_over(connection)
                raise
            except FAILURES as error:  # without the gate the daemon polls
                self._note_open()
                self._session.failed(connection, error)
                await back_off.wait()
            else:
                back_off = BackOff()

    def _note_open(self) -> None:
        """Poll from now on. It must be called before the locks are given back, as then nobody notifies any more."""
        self.is_shut = False
        self._rows_ready.add()

    @property
    def _must_open(self) -> bool:
        return self._is_flooded or self._version != self._catalog.version

    async def _keep_shut(self, connection: Connection) -> None:
        """Shut the gate, and keep it shut until notifications come fast or other actions are served."""
        self._is_flooded = False
        self._version = self._catalog.version
        self._changed.clear()
        connection.add_termination_listener(self._note_lost)
        missing = await self._take_locks(connection)
        while not self._must_open:
            self.is_shut = True
            self._rows_ready.add()
            if clients := [key for key, is_daemons in missing.items() if not is_daemons]:
                await self._wait_for_clients(connection, clients[0])
            else:  # their owner may give them back unheard: a daemon that dies, or a stranger
                await self._changed.wait(OTHERS_RETRY if missing else None)
            if connection.is_closed():
                raise ConnectionError("the connection ended")
            if missing and not self._must_open:
                missing = await self._take_locks(connection)
        self._shut_wanted.clear()
        self._note_open()
        connection.remove_termination_listener(self._note_lost)
        await connection.fetch(*self._link.database.query("wakeup/unlock_gates"), timeout=PATIENCE)

    async def _hand_over(self, connection: Connection) -> None:
        """Open the gate when the daemon ends, so that another one that sleeps shuts it and is notified."""
        with (
            anyio.move_on_after(HAND_OVER_TIMEOUT, shield=True),
            suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError),
        ):
            await connection.fetch(*self._link.database.query("wakeup/unlock_gates"))

    async def _take_locks(self, connection: Connection) -> dict[int, bool]:
        """Take the locks, and return the keys of those that others have, each with whether they are daemons.

        A lock may be taken twice. All are given back together.
        """
        query = self._link.database.query("wakeup/lock_gates", names=self._catalog.served_names)
        rows = await connection.fetch(*query, timeout=PATIENCE)
        return {row["key"]: row["is_daemons"] for row in rows}

    async def _wait_for_clients(self, connection: Connection, key: int) -> None:
        """Wait for the clients that have this lock. Those that ask for it meanwhile queue up, and notify."""
        look = asyncio.get_running_loop().call_later(QUEUED_WITHIN, self._rows_ready.add)
        try:
            query = self._link.database.query("wakeup/wait_for_gate", key=key)
            await connection.fetch(*query, timeout=PATIENCE)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            pass  # it is tried again
        finally:
            look.cancel()

    def _note_lost(self, _connection: object) -> None:
        """The locks went with the connection."""
        self._note_open()
        self._changed.set()
