"""Compares what the database says this daemon owns with what it works on.

A claim whose reply was lost leaves rows that nobody works on: they are handed back. A stop whose notification was lost
leaves a negative lease on a row that runs: it is stopped. A row that was deleted unheard, given to somebody else, or
rewound by a failover leaves an execution without a row: it is cancelled.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import structlog

from asyncjobd.engine.halving import write_in_halves
from asyncjobd.engine.jobs.claimer import Claimer
from asyncjobd.engine.jobs.recorder import Recorder
from asyncjobd.engine.jobs.runner import Runner
from asyncjobd.engine.wake import Wake
from asyncjobd.postgres.outage import describe
from asyncjobd.postgres.session import Session

AGAIN = 1.0  # seconds until what was suspect is looked at again

Orphan: TypeAlias = tuple[int, int]  # job id, lease

log = structlog.get_logger("asyncjobd.auditor")


class Reconciler:
    def __init__(
        self,
        session: Session,
        daemon_id: int,
        claimer: Claimer,
        runner: Runner,
        recorder: Recorder,
        handed_back: Callable[[], None],
    ) -> None:
        self._session = session
        self._daemon_id = daemon_id
        self._claimer = claimer
        self._runner = runner
        self._recorder = recorder
        self._handed_back = handed_back
        self._suspects: set[Orphan] = set()
        self._unwritable: set[Orphan] = set()  # PostgreSQL refuses to hand them back
        self.wake = Wake()

    async def run(self) -> None:
        while True:
            await self.wake.wait(AGAIN if self._suspects else None)
            await self._audit()

    async def _audit(self) -> None:
        claiming = self._claimer.lease_in_flight
        running = set(self._runner.executions())
        owned = {(row["id"], row["lease"]) for row in await self._session.run("owned_by", self._daemon_id)}
        for job_id, lease in owned:
            if lease < 0:
                self._runner.stop(job_id, -lease)
        self._runner.lose(running - {(job_id, abs(lease)) for job_id, lease in owned})
        known = set(self._known())
        unknown = {
            (job_id, lease)
            for job_id, lease in owned
            if (job_id, abs(lease)) not in known and abs(lease) != claiming
        }
        # seen once, it may have been claimed or recorded while the statement ran
        await write_in_halves(sorted(unknown & self._suspects), self._hand_back, self._refused)
        stopped_early = {
            (job_id, lease) for job_id, lease in owned if claiming is not None and lease == -claiming
        }
        self._suspects = unknown | stopped_early  # of the latter, the handler is not there yet to be told
        self._unwritable &= unknown

    def _known(self) -> Iterator[tuple[int, int]]:
        yield from self._runner.executions()
        yield from self._recorder.executions()

    async def _hand_back(self, orphans: Sequence[Orphan]) -> None:
        ids, leases = [job_id for job_id, _ in orphans], [lease for _, lease in orphans]
        rows = await self._session.run("hand_back", ids, leases, None)
        for row in rows:
            log.warning("job.handed_back", job_id=row["id"], reason="claimed, but the answer was lost")
        if rows:
            self._handed_back()

    async def _refused(self, orphan: Orphan, error: Exception) -> None:
        if orphan not in self._unwritable:  # told once, and tried again
            self._unwritable.add(orphan)
            log.error(
                "job.unwritable",
                job_id=orphan[0],
                reason=describe(error),
                consequence="it stays owned by this daemon",
            )
