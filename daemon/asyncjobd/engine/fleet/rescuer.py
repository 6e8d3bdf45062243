"""Takes back the jobs of daemons that are gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from time import monotonic

import asyncpg
import structlog

from asyncjobd.engine.fleet.process_identity import ProcessIdentity
from asyncjobd.engine.quarantine import Quarantine
from asyncjobd.engine.signals import Signals
from asyncjobd.engine.wake import Wake
from asyncjobd.job import Status
from asyncjobd.observability.metrics.counters import DaemonMetrics
from asyncjobd.postgres.session import Session

MAX_BATCH = 1000  # rows
MIN_PAUSE = 0.05  # seconds between two looks

log = structlog.get_logger("asyncjobd.rescuer")


@dataclass(slots=True)
class Observed:
    """Another daemon, and for how long its heartbeat has not changed while this daemon looked on."""

    heartbeat: int  # the number of the last one
    lease: float  # seconds
    silent_for: float = 0.0  # seconds


class Rescuer:
    def __init__(
        self,
        session: Session,
        quarantine: Quarantine,
        daemon_id: int,
        process: ProcessIdentity,
        renewal_interval: float,
        metrics: DaemonMetrics,
        signals: Signals,
    ) -> None:
        """`process` is this daemon's own, `renewal_interval` the seconds between two heartbeats."""
        self._session = session
        self._quarantine = quarantine
        self._daemon_id = daemon_id
        self._process = process
        self._renewal_interval = renewal_interval
        self._metrics = metrics
        self._signals = signals
        self._observed: dict[int, Observed] = {}
        self._observed_at = monotonic()
        self._others: list[asyncpg.Record] | None = None  # found by the last heartbeat
        self._wake = Wake()
        signals.orphans.set()

    def observe(self, others: list[asyncpg.Record]) -> None:
        """Keep the daemons that a heartbeat has found, and wake `run`, which judges them."""
        self._others = others
        self._wake.set()

    async def run(self) -> None:
        while True:
            others = self._others
            if others is None:
                others = await self._session.run("fleet/list_other_daemons", daemon_id=self._daemon_id)
            gone = self._find_gone(others)
            if gone or self._signals.orphans.is_set:
                self._signals.orphans.clear()
                await self._rescue(gone)
            if gone and await self._session.run(
                "fleet/delete_daemons", daemon_ids=list(gone), heartbeats=list(gone.values())
            ):
                self._signals.look_again()  # the dead daemon may have got notifications of ready rows
                self._signals.announcements.add_ready()
            self._others = None
            await self._wake.wait(self._pause())

    def _find_gone(self, others: list[asyncpg.Record]) -> dict[int, int]:
        """Return the daemons that are dead on this machine, or were silent for their lease, with their last heartbeats.

        Time in which this daemon could not look does not count: neither an outage of its own nor a stop of its process
        says anything about others.
        """
        now = monotonic()
        looked_for = min(now - self._observed_at, 2 * self._renewal_interval)
        self._observed_at = now
        before, self._observed = self._observed, {}
        gone = {}
        for row in others:
            daemon = before.get(row["id"])
            if daemon is None or daemon.heartbeat != row["heartbeat"]:
                daemon = Observed(row["heartbeat"], row["lease_seconds"])
            else:
                daemon.silent_for += looked_for
            self._observed[row["id"]] = daemon
            process = ProcessIdentity(row["host"], row["boot_id"], row["pid"], row["process_start"])
            if daemon.silent_for > daemon.lease or process.is_dead_for(self._process):
                gone[row["id"]] = row["heartbeat"]
        return gone

    def _pause(self) -> float | None:
        """Return the seconds until the next look; None while nobody is silent, as the next heartbeat brings one."""
        silent = [daemon for daemon in self._observed.values() if daemon.silent_for > 0]
        ends = [left + MIN_PAUSE for daemon in silent if (left := daemon.lease - daemon.silent_for) >= 0]
        return min([self._renewal_interval / 2, *ends]) if silent else None

    async def _rescue(self, gone: dict[int, int]) -> None:
        """Take back, in batches, what these daemons own, and what daemons own that have no row any more."""
        is_last = False
        while not is_last:
            rows = await self._session.run(
                "fleet/find_lost_jobs",
                gone_daemons=list(gone),
                limit=MAX_BATCH,
                left_alone=self._quarantine.left_alone,
            )
            ids = [row["id"] for row in rows]
            done = await self._quarantine.write(ids, partial(self._take_back, gone), gone)
            is_last = len(rows) < MAX_BATCH or not done

    async def _take_back(self, gone: dict[int, int], ids: Sequence[int]) -> int:
        rows = await self._session.run(
            "fleet/rescue_jobs", job_ids=ids, gone_daemons=list(gone), heartbeats=list(gone.values())
        )
        for row in rows:
            log.warning(
                "job.rescued", job_id=row["id"], job_name=row["job_name"], status=row["status"],
                execution_count=row["execution_count"], from_daemon=row["daemon_id"],
            )  # fmt: skip
        if rows:
            failed = [row["id"] for row in rows if row["status"] == Status.FAILED]
            self._signals.jobs_ended.add(failed, have_failed=True)
            self._metrics.rescued_jobs += len(rows)
            self._signals.look_again()
            self._signals.announcements.add_ready()
            if any(row["is_waiting"] for row in rows):
                self._signals.announcements.add_queued(inf)
        return len(rows)
