"""Takes back the jobs of daemons that are gone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic

import asyncpg
import structlog

from asyncjobd.engine.fleet.process_identity import ProcessIdentity
from asyncjobd.engine.quarantine import Quarantine
from asyncjobd.engine.wake import Wake
from asyncjobd.postgres.session import Session

BATCH = 1000
AT_LEAST = 0.05  # seconds between two looks

log = structlog.get_logger("asyncjobd.rescuer")


@dataclass(slots=True)
class Watched:
    """Another daemon: its last heartbeat, and for how many seconds of our looking on it has been the same."""

    heartbeat: int
    lease: float
    silent_for: float = 0.0


class Rescuer:
    def __init__(
        self,
        session: Session,
        quarantine: Quarantine,
        daemon_id: int,
        process: ProcessIdentity,
        interval: float,
        rescued: Callable[[int], None],
    ) -> None:
        """`interval`: seconds between two beats. `rescued` hears how many jobs were taken back from daemons that are
        gone; none, where one is gone that had none: what it knew of is lost with it all the same."""
        self._session = session
        self._quarantine = quarantine
        self._daemon_id = daemon_id
        self._process = process
        self._interval = interval
        self._rescued = rescued
        self._watched: dict[int, Watched] = {}
        self._looked_at = monotonic()
        self._others: list[asyncpg.Record] | None = None
        self._told = Wake()
        self._may_be_orphans = True

    def judge(self, others: list[asyncpg.Record]) -> None:
        """As a beat has found them."""
        self._others = others
        self._told.set()

    def look_for_orphans(self) -> None:
        """At the next beat: jobs whose daemon has no row any more."""
        self._may_be_orphans = True

    async def run(self) -> None:
        while True:
            others = self._others
            if others is None:
                others = await self._session.run("fleet/list_other_daemons", daemon_id=self._daemon_id)
            gone = self._judge(others)
            if gone or self._may_be_orphans:
                self._may_be_orphans = False
                await self._rescue(gone)
            if gone and await self._session.run("fleet/delete_daemons", daemon_ids=gone):
                self._rescued(0)
            self._others = None
            await self._told.wait(self._pause())

    def _judge(self, others: list[asyncpg.Record]) -> list[int]:
        """Who is dead on this machine, or was silent for its lease. What we could not see does not count: neither an
        outage of ours nor a stop of this process says anything about others."""
        now = monotonic()
        seen_for = min(now - self._looked_at, 2 * self._interval)
        self._looked_at = now
        before, self._watched = self._watched, {}
        gone = []
        for row in others:
            watched = before.get(row["id"])
            if watched is None or watched.heartbeat != row["heartbeat"]:
                watched = Watched(row["heartbeat"], row["lease_seconds"])
            else:
                watched.silent_for += seen_for
            self._watched[row["id"]] = watched
            process = ProcessIdentity(row["host"], row["boot_id"], row["pid"], row["process_start"])
            if watched.silent_for > watched.lease or process.is_dead_for(self._process):
                gone.append(row["id"])
        return gone

    def _pause(self) -> float | None:
        """Until the next look; the beats' are enough as long as nobody is silent."""
        silent = [watched for watched in self._watched.values() if watched.silent_for > 0]
        ends = [left + AT_LEAST for watched in silent if (left := watched.lease - watched.silent_for) >= 0]
        return min([self._interval / 2, *ends]) if silent else None

    async def _rescue(self, gone: list[int]) -> None:
        is_last = False
        while not is_last:
            rows = await self._session.run(
                "fleet/find_lost_jobs", gone_daemons=gone, limit=BATCH, left_alone=self._quarantine.left_alone
            )
            ids = [row["id"] for row in rows]
            done = await self._quarantine.write(ids, partial(self._take_back, gone), gone)
            is_last = len(rows) < BATCH or not done

    async def _take_back(self, gone: list[int], ids: Sequence[int]) -> int:
        rows = await self._session.run("fleet/rescue_jobs", job_ids=ids, gone_daemons=gone)
        for row in rows:
            log.warning("job.rescued", **{key: row[key] for key in ("job_name", "status", "execution_count")},
                        job_id=row["id"], from_daemon=row["daemon_id"])  # fmt: skip
        if rows:
            self._rescued(len(rows))
        return len(rows)
