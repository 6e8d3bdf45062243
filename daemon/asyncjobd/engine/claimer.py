"""Takes ready rows, as many as there are free slots, and gives them to the runner."""

import asyncio
import secrets
from itertools import count

import anyio
import structlog

from asyncjobd.actions import Action, active
from asyncjobd.config import interval
from asyncjobd.engine.recorder import Recorder
from asyncjobd.engine.runner import Runner
from asyncjobd.engine.wake import Wake
from asyncjobd.job import ClaimedJob
from asyncjobd.postgres.session import Session

MOST_LOOKED_AT = 100_000
LOCKED_RETRY = 0.02  # seconds until rows that somebody has locked are tried again; doubles up to a second

log = structlog.get_logger("asyncjobd.claimer")


class Claimer:
    def __init__(
        self,
        session: Session,
        daemon_id: int,
        actions: dict[str, Action],
        runner: Runner,
        recorder: Recorder,
        is_held: asyncio.Event,
    ) -> None:
        """`is_held`: that this daemon's lease is. Without it nothing is claimed, and nothing claimed begins."""
        self._session = session
        self._daemon_id = daemon_id
        self._runner = runner
        self._recorder = recorder
        self._is_held = is_held
        served = active(actions.values())
        self._lanes = (
            [action.name for action in served],
            [interval(action.config.retry_interval) for action in served],
            [action.config.max_execution_count for action in served],
            [action.config.is_recursive for action in served],
            [interval(action.config.timeout) for action in served],
        )
        # A lease never comes back, not even where a failover rewinds the database: chance above, a count below.
        self._leases = count(secrets.randbits(30) << 32 | 1)
        self._stopping = False
        self._stopped = asyncio.Event()
        self.lease_in_flight: int | None = None
        self.wake = Wake()

    async def stop(self, patience: float) -> None:
        """No more claims. Returns once the one in flight is answered, or after `patience` seconds: what it still takes
        then, others take back."""
        self._stopping = True
        self.wake.set()
        self._runner.freed.set()
        self._recorder.written.set()
        with anyio.move_on_after(patience):
            await self._stopped.wait()

    async def run(self) -> None:
        delay = LOCKED_RETRY
        look = 0
        while not self._stopping:
            await self._is_held.wait()
            wanted = self._runner.free
            if wanted <= 0:
                await self._runner.freed.wait()
                continue
            if self._recorder.is_full:
                await self._recorder.written.wait()
                continue
            self.wake.clear()
            seen, claimed = await self._claim(wanted, max(wanted, look))
            if claimed == wanted:
                continue
            if seen > claimed:  # the others are locked; nobody tells when they are free again
                delay = min(delay * 2, 1.0) if claimed == 0 else LOCKED_RETRY
                if seen >= max(wanted, look):  # there may be free ones behind them
                    look = min(2 * max(wanted, look), MOST_LOOKED_AT)
                await self.wake.wait(delay)
            else:
                delay, look = LOCKED_RETRY, 0
                await self.wake.wait()
        self._stopped.set()

    async def _claim(self, wanted: int, look: int) -> tuple[int, int]:
        """Answers how many ready rows there were and how many of them are ours now."""
        self.lease_in_flight = lease = next(self._leases)
        rows = await self._session.run("claim", self._daemon_id, lease, wanted, *self._lanes, look)
        await self._is_held.wait()
        self.lease_in_flight = None
        seen = rows[0]["seen"]
        if rows[0]["id"] is None:
            return seen, 0
        for row in rows:
            job = ClaimedJob(*row[1:])
            log.debug("job.started", job_id=job.id, job_name=job.job_name, execution_count=job.execution_count)
            self._runner.start(job, lease)
        return seen, len(rows)
