"""Renews the lease of this daemon, and stops its work before others may take its jobs.

The renewal has a thread and a connection of its own, so that a handler which blocks the event loop does not starve it,
for a while. If the lease cannot be renewed, the daemon is fenced before it ends: it claims nothing, and cancels its
handlers.
"""

import asyncio
from time import monotonic

import asyncpg
import structlog

from asyncjobd.actions.controls import Controls
from asyncjobd.engine.fleet.hindrances import Hindrances
from asyncjobd.engine.fleet.own_thread import RunInThread
from asyncjobd.engine.fleet.rescuer import Rescuer
from asyncjobd.engine.jobs.pipeline import Pipeline
from asyncjobd.engine.lease import Lease
from asyncjobd.engine.signals import Signals
from asyncjobd.engine.timings import Timings
from asyncjobd.engine.wake import Wake
from asyncjobd.observability.metrics.counters import DaemonMetrics
from asyncjobd.observability.systemd.status import ServiceStatus
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.link import Link
from asyncjobd.postgres.session import Session

log = structlog.get_logger("asyncjobd.heartbeat")


class WrittenOff(Exception):
    """Raised when this daemon's row is gone: others have taken its jobs."""


class Heartbeat:
    def __init__(
        self,
        database: Database,
        daemon_id: int,
        timings: Timings,
        jobs: Pipeline,
        rescuer: Rescuer,
        metrics: DaemonMetrics,
        hindrances: Hindrances,
        status: ServiceStatus,
        controls: Controls,
        signals: Signals,
        lease: Lease,
        in_thread: RunInThread,
    ) -> None:
        """Create the heartbeat, which renews `lease`. Only what runs `in_thread` uses `database`."""
        self._database = database
        self._daemon_id = daemon_id
        self._timings = timings
        self._jobs = jobs
        self._rescuer = rescuer
        self._metrics = metrics
        self._hindrances = hindrances
        self._status = status
        self._controls = controls
        self._signals = signals
        self._lease = lease
        self._lapses = 0  # of the lease, that the reconciler knows of
        self._in_thread = in_thread
        self._loop = asyncio.get_running_loop()
        # Since when the event loop owes the thread a turn (monotonic)
        self._turn_asked_at: float | None = None
        self._is_blocked = False  # the event loop, as the last renewal has found it
        self._is_draining = False  # as the last renewal has found it
        self._others: list[asyncpg.Record] = []  # the other daemons, as the last renewal has found them
        self._renewed = Wake()

    async def run(self) -> None:
        async with self._in_thread(self._renew) as renewing:
            renewing.add_done_callback(lambda _: self._renewed.set())
            while not renewing.done():
                left = self._lease.seconds_left
                self._hold() if left > 0 else self._fence()
                await self._renewed.wait(left if left > 0 else None)
        await renewing

    def _hold(self) -> None:
        if not self._lease.held.is_set():
            self._lease.held.set()
            self._signals.rows_ready.add()
            log.info("lease.held", seconds=self._timings.lease)
        if self._lapses != self._lease.lapses:  # others may have taken jobs that run here
            self._lapses = self._lease.lapses
            self._signals.stop_requested.set()
        if self._is_draining != self._controls.is_draining:  # the notification of it was lost
            self._signals.controls_changed.set()
        self._rescuer.observe(self._others)

    def _fence(self) -> None:
        """Stop all executions: others may soon take the jobs, and the handlers get the rest of the lease to end."""
        if self._lease.held.is_set():
            self._lease.held.clear()
            log.error(
                "lease.unsure", running=self._jobs.slots.in_use,
                reason="it could not be renewed: handlers are cancelled, nothing is claimed",
            )  # fmt: skip
            self._metrics.lost_leases += 1
            self._jobs.runner.stop_all()
            self._status.show()

    async def _renew(self) -> None:
        """Renew the lease again and again, in the thread."""
        interval = self._timings.renewal_interval
        link = Link(self._database)
        session = Session(link, "heartbeat", patience=interval / 2)
        try:
            while True:
                sent_at = monotonic()
                if (asked_at := self._turn_asked_at) is None:
                    self._turn_asked_at = asked_at = sent_at
                    self._loop.call_soon_threadsafe(self._note_turn)
                if sent_at <= asked_at + self._timings.max_loop_block:
                    hindrances = self._hindrances.read(sent_at - asked_at)
                    self._warn_of_block(hindrances.get("blocked"))
                    rows = await session.run(
                        "fleet/renew_lease",
                        daemon_id=self._daemon_id,
                        running=self._jobs.slots.in_use,
                        metrics=self._metrics.sample_as_json(hindrances),
                    )
                    if not rows:
                        raise WrittenOff(
                            f"daemon {self._daemon_id} was silent for its lease, and was written off"
                        )
                    self._is_draining = rows[0]["is_draining"]
                    self._others = [row for row in rows if row["id"] is not None]
                    self._lease.renew(sent_at)
                    self._loop.call_soon_threadsafe(self._renewed.set)
                await asyncio.sleep(sent_at + interval - monotonic())
        finally:
            link.close()

    def _warn_of_block(self, blocked: str | None) -> None:
        """Log that the event loop is blocked, once until it goes on."""
        if blocked and not self._is_blocked:
            log.warning("loop.blocked", reason=blocked)
        self._is_blocked = blocked is not None

    def _note_turn(self) -> None:
        self._turn_asked_at = None
