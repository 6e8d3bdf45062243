"""Writes the progress that handlers report: the last of each, in batches."""

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

import structlog

from asyncjobd.context import Context, ProgressReport
from asyncjobd.engine.halving import write_in_halves
from asyncjobd.engine.wake import Wake
from asyncjobd.postgres.outage import describe
from asyncjobd.postgres.session import Session

INTERVAL = 0.25  # seconds between two writes

Report: TypeAlias = tuple[int, tuple[int, ProgressReport]]

log = structlog.get_logger("asyncjobd.reporter")


class ProgressWriter:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._reported: dict[
            int, tuple[int, ProgressReport]
        ] = {}  # the lease and the last report of each job id
        self._wake = Wake()

    def report(self, context: Context, reported: ProgressReport) -> None:
        """Called by handlers, from any thread."""
        self._reported[context.job.id] = (context.claim_token, reported)
        self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            reported, self._reported = self._reported, {}
            await write_in_halves(list(reported.items()), self._write, self._refused)
            await asyncio.sleep(INTERVAL)

    async def _write(self, reports: Sequence[Report]) -> None:
        ids = [job_id for job_id, _ in reports]
        leases = [lease for _, (lease, _) in reports]
        fractions, messages = zip(*(reported for _, (_, reported) in reports), strict=True)
        await self._session.run("progress", ids, leases, fractions, messages)

    async def _refused(self, report: Report, error: Exception) -> None:
        log.warning("progress.refused", job_id=report[0], reason=describe(error))
