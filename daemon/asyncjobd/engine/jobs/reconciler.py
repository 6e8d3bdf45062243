"""Brings the executions of this daemon into line with the rows that it owns.

Every client's stop arrives here: a notification only wakes this part, and the row says which execution to cancel. Rows
whose claim reply was lost are handed back, as nobody works on them. Executions whose row was deleted, given to another
daemon, or rewound by a failover are cancelled.
"""

from collections.abc import Sequence

import structlog

from asyncjobd.engine.halving import write_in_halves
from asyncjobd.engine.jobs.handover import hand_back
from asyncjobd.engine.jobs.pipeline import Pipeline
from asyncjobd.engine.jobs.slots import Key
from asyncjobd.engine.signals import Signals
from asyncjobd.postgres.outage import describe
from asyncjobd.postgres.session import Session

SUSPECT_INTERVAL = 1.0  # seconds until suspects are looked at again

log = structlog.get_logger("asyncjobd.reconciler")


class Reconciler:
    def __init__(
        self,
        session: Session,
        daemon_id: int,
        jobs: Pipeline,
        signals: Signals,
    ) -> None:
        self._session = session
        self._daemon_id = daemon_id
        self._jobs = jobs
        self._signals = signals
        self._suspects: set[Key] = set()
        self._in_doubt: int | None = None  # the token of a claim that was in flight at the last look
        self._refused: set[Key] = set()  # PostgreSQL refuses to hand them back

    async def run(self) -> None:
        while True:
            looks_again = self._suspects or self._in_doubt is not None
            is_asked = await self._signals.stop_requested.wait(SUSPECT_INTERVAL if looks_again else None)
            claiming = self._jobs.claimer.token_in_flight
            await self._reconcile(claiming)
            # what was asked for may concern rows of this claim, which are not known here yet
            self._in_doubt = claiming if is_asked or claiming == self._in_doubt else None

    async def _reconcile(self, claiming: int | None) -> None:
        here = set(self._jobs.slots.keys())
        rows = await self._session.run("jobs/list_owned_jobs", daemon_id=self._daemon_id)
        owned = {(row["id"], row["claim_token"]) for row in rows}
        stopped = {(row["id"], row["claim_token"]) for row in rows if row["stop_requested"]}
        for key in stopped:
            self._jobs.runner.stop(key)
        self._jobs.runner.disown(here - owned)
        known = {*self._jobs.slots.keys(), *self._jobs.recorder.keys()}
        unknown = {key for key in owned - known if key[1] != claiming}
        # a key seen only once may have been claimed or recorded while the statement ran
        await write_in_halves(sorted(unknown & self._suspects), self._hand_back, self._log_refusal)
        self._suspects = unknown
        self._refused &= unknown

    async def _hand_back(self, orphans: Sequence[Key]) -> None:
        ids = await hand_back(self._session, self._signals, orphans, None)
        for job_id in ids:
            log.warning("job.handed_back", job_id=job_id, reason="claimed, but the answer was lost")
        if ids:
            self._signals.made_ready()

    async def _log_refusal(self, orphan: Key, error: Exception) -> None:
        """Log it once. It is tried again."""
        if orphan not in self._refused:
            self._refused.add(orphan)
            log.error(
                "job.unwritable",
                job_id=orphan[0],
                reason=describe(error),
                consequence="it stays owned by this daemon",
            )
