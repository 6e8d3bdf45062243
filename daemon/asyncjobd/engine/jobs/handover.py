"""Hands claimed jobs over to the runner, and gives back those that cannot run here now."""

import asyncio
from collections.abc import Collection, Sequence

import structlog

from asyncjobd.engine.halving import write_in_halves
from asyncjobd.engine.jobs.claims import Claim, Claims
from asyncjobd.engine.jobs.prefetch import Prefetch
from asyncjobd.engine.jobs.runner import Runner
from asyncjobd.engine.jobs.slots import Key, Slots
from asyncjobd.engine.lease import Lease
from asyncjobd.engine.signals import Signals
from asyncjobd.job import ClaimedJob, Status
from asyncjobd.postgres.outage import describe
from asyncjobd.postgres.session import Session

ALONE_RETRY = 1.0  # seconds, about, after which a job that must run alone is tried again
HEAD_START = 0.5  # seconds for which other daemons may claim it then, before this one tries

log = structlog.get_logger("asyncjobd.job")


async def hand_back(
    session: Session, signals: Signals, keys: Sequence[Key], seconds: float | None
) -> list[int]:
    """Give the rows of these claims back, ready at once or due in so many seconds. Return the ids of those that were
    still claimed so.
    """
    ids, claim_tokens = zip(*keys, strict=True)
    rows = await session.run("jobs/hand_back_jobs", job_ids=ids, claim_tokens=claim_tokens, delay=seconds)
    for row in rows:
        if row["status"] == Status.QUEUED:
            signals.made_queued_for_all(row["due_epoch"])
    return [row["id"] for row in rows]


class Handover:
    def __init__(
        self,
        session: Session,
        claims: Claims,
        slots: Slots,
        prefetch: Prefetch,
        runner: Runner,
        signals: Signals,
        lease: Lease,
    ) -> None:
        self._session = session
        self._claims = claims
        self._slots = slots
        self._prefetch = prefetch
        self._runner = runner
        self._signals = signals
        self._lease = lease

    async def start(self, claim: Claim) -> list[ClaimedJob]:
        """Give the jobs of a claim to the runner, those first whose params were read with it.

        If the lease has lapsed since the claim was sent, others may have taken its rows back, and may run them. The
        jobs that have not been started then are given back, and returned.
        """
        if not await self._is_ours(claim):
            return await self._drop(claim.jobs, claim.claim_token)
        if any(job.runs_alone for job in claim.jobs):
            claim.jobs = await self._keep_one_alone(claim.jobs, claim.claim_token)
            if not await self._is_ours(claim):
                return await self._drop(claim.jobs, claim.claim_token)
        self._start([job for job in claim.jobs if job.params], claim.claim_token)
        unread = [job for job in claim.jobs if not job.params]
        for place, job in enumerate(unread):
            read = await self._claims.read_params(job, claim.claim_token)
            if not await self._is_ours(claim):
                return await self._drop(unread[place:], claim.claim_token)
            if read is not None:
                self._start([read], claim.claim_token)
        self._claims.in_flight = None
        return []

    async def _is_ours(self, claim: Claim) -> bool:
        """Wait for the lease, and return whether it has lasted since the claim was sent."""
        await self._lease.held.wait()
        return self._lease.has_lasted(claim.lapses)

    async def _drop(self, jobs: list[ClaimedJob], claim_token: int) -> list[ClaimedJob]:
        """Give back jobs of a claim that was sent before a lapse of the lease, and return them."""
        if jobs:
            log.warning(
                "claim.dropped", jobs=len(jobs), reason="the lease was not renewed in time",
                consequence="the rows are given back",
            )  # fmt: skip
            await self._give_back([(job.id, claim_token) for job in jobs], None)
            self._signals.made_ready(*{job.job_name for job in jobs})
        self._claims.in_flight = None
        return jobs

    def _start(self, jobs: list[ClaimedJob], claim_token: int) -> None:
        if jobs:
            self._prefetch.note_start()
            self._runner.start(jobs, claim_token)

    async def _keep_one_alone(self, jobs: list[ClaimedJob], claim_token: int) -> list[ClaimedJob]:
        """Keep at most one of the jobs that must run alone. The others are due a bit later."""
        alone = [job for job in jobs if job.runs_alone]
        kept = alone[:0] if self._slots.runs_alone else alone[:1]
        rest = [job for job in alone if job not in kept]
        if rest:
            self._claims.leave_to_others([job.id for job in rest], ALONE_RETRY + HEAD_START)
            await self._give_back([(job.id, claim_token) for job in rest], ALONE_RETRY)
            names = {job.job_name for job in rest}
            self._signals.made_ready(*names)  # if they are limited, their places are free
            loop = asyncio.get_running_loop()
            loop.call_later(ALONE_RETRY + HEAD_START, self._signals.rows_ready.add, *names)
        return [job for job in jobs if not job.runs_alone or job in kept]

    async def give_back_waiting(self) -> Collection[ClaimedJob]:
        """Give back the jobs that wait for a slot, and return them. Other daemons are told."""
        self._prefetch.stop()
        waiting = self._slots.take_waiting()
        if waiting:
            await self._give_back(list(waiting), None)
            self._signals.announcements.add_ready()
        return waiting.values()

    async def _give_back(self, claimed: Sequence[Key], seconds: float | None) -> None:
        """Give these rows back: ready at once, or due in so many seconds."""

        async def write(some: Sequence[Key]) -> None:
            for job_id in await hand_back(self._session, self._signals, some, seconds):
                log.debug("job.handed_back", job_id=job_id, reason="not begun")

        async def log_refusal(key: Key, error: Exception) -> None:
            log.warning(
                "job.kept", job_id=key[0], reason=describe(error), consequence="the reconciler tries it again"
            )

        await write_in_halves(claimed, write, log_refusal)
