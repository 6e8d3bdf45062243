"""Reads what clients control: paused and limited actions, and whether this daemon drains.

It reads when a notification tells of a change, and when a pause ends by itself. Then the claimer looks again.
"""

import structlog

from asyncjobd.actions.catalog import ActionCatalog
from asyncjobd.actions.controls import Controls
from asyncjobd.engine.signals import Signals
from asyncjobd.observability.systemd.status import ServiceStatus
from asyncjobd.postgres.session import Session

log = structlog.get_logger("asyncjobd.control")


class ControlReader:
    def __init__(
        self,
        session: Session,
        daemon_id: int,
        catalog: ActionCatalog,
        controls: Controls,
        status: ServiceStatus,
        signals: Signals,
    ) -> None:
        """Create the reader, which keeps `controls` up to date."""
        self._session = session
        self._daemon_id = daemon_id
        self._catalog = catalog
        self._controls = controls
        self._status = status
        self._signals = signals

    async def run(self) -> None:
        while True:
            await self._read()
            await self._signals.controls_changed.wait(min(self._controls.paused.values(), default=None))

    async def _read(self) -> None:
        rows = await self._session.run("fleet/read_controls", daemon_id=self._daemon_id)
        if not rows:  # others have taken this daemon for dead, which the heartbeat finds
            return
        before = self._controls.with_places
        self._controls.limited = frozenset(row["name"] for row in rows if row["is_limited"])
        self._controls.limited_here = frozenset(row["name"] for row in rows if row["is_limited_per_daemon"])
        paused = {row["name"]: row["paused_for"] for row in rows if row["paused_for"] is not None}
        resumed = self._take_pauses(paused)
        self._take_draining(rows[0]["is_draining"])
        if changed := {*resumed, *before, *self._controls.with_places}:
            self._signals.rows_ready.add(*changed)

    def _take_pauses(self, paused: dict[str, float]) -> set[str]:
        """Take up which actions are paused, and return those that go on."""
        before, self._controls.paused = self._controls.paused, paused
        begun, ended = paused.keys() - before.keys(), before.keys() - paused.keys()
        for name in sorted(begun & self._catalog.served):
            log.info("action.paused", job_name=name)
        for name in sorted(ended & self._catalog.served):
            log.info("action.resumed", job_name=name)
        return ended

    def _take_draining(self, is_draining: bool) -> None:
        if is_draining == self._controls.is_draining:
            return
        self._controls.is_draining = is_draining
        if is_draining:
            log.info("daemon.draining")
        else:
            log.info("daemon.draining_ended")
            self._signals.rows_ready.add()
        self._status.show()
