"""Takes back the jobs of daemons that are gone."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import asyncpg
import structlog

from asyncjobd.engine.process import Process
from asyncjobd.postgres.session import Session

BATCH = 1000
AT_LEAST = 0.05  # seconds between two looks

log = structlog.get_logger("asyncjobd.rescuer")


@dataclass(slots=True)
class Watched:
    """Another daemon: its last beat, and for how many seconds of our looking on it has been the same."""

    beat: int
    lease: float
    silent_for: float = 0.0


class Rescuer:
    def __init__(
        self, session: Session, daemon_id: int, process: Process, interval: float, rescued: Callable[[], None]
    ) -> None:
        self._session = session
        self._daemon_id = daemon_id
        self._process = process
        self._interval = interval
        self._rescued = rescued
        self._watched: dict[int, Watched] = {}
        self._looked_at = monotonic()

    async def run(self) -> None:
        while True:
            gone = self._judge(await self._session.run("daemons", self._daemon_id))
            await self._rescue(gone)
            if gone:
                await self._session.run("forget", gone)
            await asyncio.sleep(self._pause())

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
            if watched is None or watched.beat != row["beat"]:
                watched = Watched(row["beat"], row["lease"])
            else:
                watched.silent_for += seen_for
            self._watched[row["id"]] = watched
            process = Process(row["host"], row["boot_id"], row["pid"], row["process_start"])
            if watched.silent_for > watched.lease or process.is_dead_for(self._process):
                gone.append(row["id"])
        return gone

    def _pause(self) -> float:
        """Until the next look, or the end of a lease if that is sooner."""
        ends = [watched.lease - watched.silent_for for watched in self._watched.values()]
        return min([self._interval, *(max(left, 0) + AT_LEAST for left in ends)])

    async def _rescue(self, gone: list[int]) -> None:
        while True:
            rows = await self._session.run("rescue", gone, BATCH)
            for row in rows:
                log.warning("job.rescued", **{key: row[key] for key in ("job_name", "status", "execution_count")},
                            job_id=row["id"], from_daemon=row["daemon_id"])  # fmt: skip
            if rows:
                self._rescued()
            if len(rows) < BATCH:
                return
