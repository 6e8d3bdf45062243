"""Takes back the jobs of daemons that are gone."""

import asyncio
from collections.abc import Callable
from time import monotonic

import asyncpg
import structlog

from asyncjobd.engine.process import Process
from asyncjobd.postgres.session import Session

BATCH = 1000

log = structlog.get_logger("asyncjobd.rescuer")


class Rescuer:
    def __init__(
        self,
        session: Session,
        daemon_id: int,
        process: Process,
        interval: float,
        rescued: Callable[[], None],
    ) -> None:
        self._session = session
        self._daemon_id = daemon_id
        self._process = process
        self._interval = interval
        self._rescued = rescued
        self._beats: dict[int, tuple[int, float]] = {}  # daemon: its beat, and since when we see that one

    async def run(self) -> None:
        while True:
            others = await self._session.run("daemons", self._daemon_id)
            gone = [row["id"] for row in others if self._is_gone(row)]
            await self._rescue(gone)
            if gone:
                await self._session.run("forget", gone)
            await asyncio.sleep(self._interval)

    def _is_gone(self, row: asyncpg.Record) -> bool:
        """Dead on this machine, or silent for its lease by our own clock."""
        if Process(row["host"], row["boot_id"], row["pid"], row["process_start"]).is_dead_for(self._process):
            return True
        beat, since = self._beats.get(row["id"], (None, 0.0))
        if beat != row["beat"]:
            self._beats[row["id"]] = (row["beat"], monotonic())
            return False
        return bool(monotonic() - since > row["lease"])

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
