"""Writes the progress that handlers report: the last of each, in batches."""

import asyncio

import structlog

from asyncjobd.context import Context, Reported
from asyncjobd.engine.wake import Wake
from asyncjobd.postgres.outage import is_refusal
from asyncjobd.postgres.session import Session

INTERVAL = 0.25  # seconds between two writes

log = structlog.get_logger("asyncjobd.reporter")


class Reporter:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._reported: dict[int, tuple[int, float, str | None]] = {}
        self._wake = Wake()

    def report(self, context: Context, reported: Reported) -> None:
        """Called by handlers, from any thread."""
        self._reported[context.job.id] = (context.lease, *reported)
        self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            reported, self._reported = self._reported, {}
            leases, fractions, messages = zip(*reported.values(), strict=True) if reported else ((), (), ())
            try:
                await self._session.run("progress", list(reported), leases, fractions, messages)
            except Exception as error:
                if not is_refusal(error):
                    raise
                log.warning("progress.refused", job_ids=list(reported), reason=str(error))
            await asyncio.sleep(INTERVAL)
