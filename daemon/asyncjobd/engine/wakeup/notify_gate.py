"""Asks clients to notify while this daemon sleeps, by holding an advisory lock for each job name: the gate.

A commit that notifies holds up all others, so nobody should notify a daemon that polls anyway. A client that makes a
row ready tries to take the gate shared, in its own transaction, and notifies if it cannot (the schema's functions
`is_open` and `announce`). A daemon takes the gate, and looks once more before it sleeps: it sees what was committed
until then, and is notified of what comes later. When notifications come fast, the daemon releases the gate and polls.
"""

import asyncio
from collections import deque
from contextlib import suppress
from time import monotonic

import anyio
import asyncpg

from asyncjobd.actions.catalog import ActionCatalog
from asyncjobd.actions.controls import Controls
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
    def __init__(self, link: Link, catalog: ActionCatalog, controls: Controls, signals: Signals) -> None:
        self._link = link
        self._session = Session(link, "notify gate")
        self._catalog = catalog
        self._controls = controls
        self._rows_ready = signals.rows_ready
        self._changed = signals.gate_changed
        self._hold_wanted = Wake()
        self._notified: deque[float] = deque([0.0] * FLOOD_COUNT, maxlen=FLOOD_COUNT)  # monotonic
        self._is_flooded = False
        self._version = 0  # the catalog's, when the gate was taken
        self.is_held = False

    def hold(self) -> None:
        """Hold the gate soon, except behind a pooler, through which no notification comes."""
        if not self._link.database.is_pooled:
            self._hold_wanted.set()

    def note_notification(self, job_name: str | None) -> None:
        """Signal that rows of this name are ready (None: of unknown names). Release the gate if too many notify."""
        if job_name is None:
            self._count_notification()
            self._rows_ready.add()
        elif job_name in self._catalog.served and job_name not in self._controls.paused:
            self._count_notification()
            self._rows_ready.add(job_name)

    def _count_notification(self) -> None:
        now = monotonic()
        self._notified.append(now)
        if self.is_held and now - self._notified[0] < FLOOD_SECONDS:
            self._is_flooded = True
            self._changed.set()

    async def run(self) -> None:
        back_off = BackOff()
        while True:
            await self._hold_wanted.wait()
            connection = await self._session.connection()
            try:
                await self._keep_held(connection)
            except asyncio.CancelledError:
                await self._hand_over(connection)
                raise
            except FAILURES as error:  # without the gate the daemon polls
                self._note_released()
                self._session.failed(connection, error)
                await back_off.wait()
            else:
                back_off = BackOff()

    def _note_released(self) -> None:
        """Switch to polling. Call this before the locks are released, as nobody notifies afterwards."""
        self.is_held = False
        self._rows_ready.add()

    @property
    def _must_open(self) -> bool:
        return self._is_flooded or self._version != self._catalog.version

    async def _keep_held(self, connection: Connection) -> None:
        """Hold the gate until notifications come fast or other actions are served."""
        self._is_flooded = False
        self._version = self._catalog.version
        self._changed.clear()
        connection.add_termination_listener(self._note_lost)
        missing = await self._take_locks(connection)
        while not self._must_open:
            self.is_held = True
            self._rows_ready.add()
            if clients := [key for key, is_daemons in missing.items() if not is_daemons]:
                await self._wait_for_clients(connection, clients[0])
            else:  # their owner may give them back unheard: a daemon that dies, or a stranger
                await self._changed.wait(OTHERS_RETRY if missing else None)
            if connection.is_closed():
                raise ConnectionError("the connection ended")
            if missing and not self._must_open:
                missing = await self._take_locks(connection)
        self._hold_wanted.clear()
        self._note_released()
        connection.remove_termination_listener(self._note_lost)
        await connection.fetch(*self._link.database.query("wakeup/unlock_gates"), timeout=PATIENCE)

    async def _hand_over(self, connection: Connection) -> None:
        """Release the gate when the daemon ends, so that another one that sleeps takes it and is notified."""
        with (
            anyio.move_on_after(HAND_OVER_TIMEOUT, shield=True),
            suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError),
        ):
            await connection.fetch(*self._link.database.query("wakeup/unlock_gates"))

    async def _take_locks(self, connection: Connection) -> dict[int, bool]:
        """Take the locks, and return the keys of those that were not obtained.

        A key is True if somebody holds its lock exclusively, so that clients notify already, and False if an open
        client transaction shares it. A lock may be taken twice: all are released together.
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
        """Switch to polling, as the locks went with the connection."""
        self._note_released()
        self._changed.set()
