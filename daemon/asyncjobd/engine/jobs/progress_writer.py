"""Writes the progress that handlers report: the last report of each, in batches."""

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

import structlog

from asyncjobd.context import Context, ProgressReport
from asyncjobd.engine.halving import write_in_halves
from asyncjobd.engine.wake import Wake
from asyncjobd.postgres.outage import describe
from asyncjobd.postgres.session import Session

WRITE_INTERVAL = 0.25  # seconds between two writes

Report: TypeAlias = tuple[int, tuple[int, ProgressReport]]  # job id, claim token and what was reported

log = structlog.get_logger("asyncjobd.progress")


class ProgressWriter:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._reports: dict[int, tuple[int, ProgressReport]] = {}  # by job id
        self._wake = Wake()

    def report(self, context: Context, reported: ProgressReport) -> None:
        """Take a handler's report. Any thread may call it."""
        self._reports[context.job.id] = (context.claim_token, reported)
        self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            reports, self._reports = self._reports, {}
            await write_in_halves(list(reports.items()), self._write, self._log_refusal)
            await asyncio.sleep(WRITE_INTERVAL)

    async def _write(self, reports: Sequence[Report]) -> None:
        ids = [job_id for job_id, _ in reports]
        claim_tokens = [claim_token for _, (claim_token, _) in reports]
        fractions, messages = zip(*(reported for _, (_, reported) in reports), strict=True)
        await self._session.run(
            "jobs/write_progress",
            job_ids=ids,
            claim_tokens=claim_tokens,
            progress=fractions,
            messages=messages,
        )

    async def _log_refusal(self, report: Report, error: Exception) -> None:
        log.warning("progress.refused", job_id=report[0], reason=describe(error))
