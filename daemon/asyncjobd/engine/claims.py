"""Claims ready rows: in one statement, or row by row where PostgreSQL refuses one of them."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count

import asyncpg
import msgspec

from asyncjobd.engine.execution import Ended
from asyncjobd.engine.lanes import Lanes, Reading, before
from asyncjobd.engine.quarantine import Quarantine
from asyncjobd.engine.recorder import Recorder
from asyncjobd.job import ClaimedJob
from asyncjobd.postgres.outage import is_refusal, words
from asyncjobd.postgres.session import Session

MOST_CAREFUL = 100  # rows that are claimed one by one after a refusal
TOO_LARGE = "they take more than 100 MB"  # as claim.sql and read_params.sql have it


@dataclass(slots=True)
class Claim:
    """What a claim has found and taken. `is_cut`: there are more rows to be had, but their params need memory that is
    not there."""

    jobs: list[ClaimedJob]
    lease: int
    seen: int = 0
    looked_for: float = 0.0
    is_cut: bool = False


class Claims:
    def __init__(self, session: Session, daemon_id: int, quarantine: Quarantine, recorder: Recorder) -> None:
        self._session = session
        self._daemon_id = daemon_id
        self._quarantine = quarantine
        self._recorder = recorder
        # A lease never comes back, not even where a failover rewinds the database: chance above, a count below.
        self._leases = count(secrets.randbits(30) << 32 | 1)
        self.in_flight: int | None = None  # a lease whose rows nobody knows of yet

    @property
    def left_alone(self) -> list[int]:
        return self._quarantine.left_alone

    async def take(self, lanes: Lanes, reading: Reading, wanted: int, width: int, budget: int) -> Claim:
        """Claim up to `wanted` rows out of the first `width`, with params of `budget` bytes, about.

        Raise what `is_refusal` knows where PostgreSQL refuses a row.
        """
        claim = await self._run(lanes, reading, wanted, width, budget, reads_params=True)
        if any(job.params is None for job in claim.jobs):
            claim.jobs = [job for job in claim.jobs if self._is_readable(job, claim.lease)]
        return claim

    def _is_readable(self, job: ClaimedJob, lease: int) -> bool:
        if job.params is None:
            self._fail(job, lease, TOO_LARGE)
        return job.params is not None

    async def take_carefully(self, lanes: Lanes, reading: Reading, wanted: int) -> AsyncIterator[Claim]:
        """Claim up to `wanted` rows one by one. A row that cannot be written is set aside; a job whose params cannot be
        read is Failed."""
        priorities, ids = zip(*reading.places, strict=True)
        rows = await self._session.run(
            "list_ready", reading.names, priorities, ids, min(wanted, MOST_CAREFUL), self.left_alone
        )
        for row in rows:
            if (claim := await self._take_row(lanes, row)) is not None:
                yield claim

    async def _take_row(self, lanes: Lanes, row: asyncpg.Record) -> Claim | None:
        reading = lanes.read_one(row["job_name"], 1, before(row["priority"], row["id"]))
        try:
            claim = await self._run(lanes, reading, 1, 1, 1, reads_params=False)
        except Exception as error:
            if not is_refusal(error):
                raise
            await self._quarantine.set_aside(row["id"], error)
            return None
        claim.jobs = [job for each in claim.jobs if (job := await self._with_params(each, claim.lease)) is not None]
        return claim

    async def _with_params(self, job: ClaimedJob, lease: int) -> ClaimedJob | None:
        try:
            rows = await self._session.run("read_params", job.id, lease)
        except Exception as error:
            if not is_refusal(error):
                raise
            self._fail(job, lease, words(error))
            return None
        params = rows[0]["params"] if rows else None  # no row: it was deleted, which the auditor finds
        if rows and params is None:
            self._fail(job, lease, TOO_LARGE)
        return None if params is None else msgspec.structs.replace(job, params=params)

    def _fail(self, job: ClaimedJob, lease: int, reason: str) -> None:
        self._recorder.add(Ended.unreadable(msgspec.structs.replace(job, params=""), lease, reason))

    async def _run(
        self, lanes: Lanes, reading: Reading, wanted: int, width: int, budget: int, *, reads_params: bool
    ) -> Claim:
        self.in_flight = lease = next(self._leases)
        rows = await self._session.run(
            "claim", self._daemon_id, lease, wanted, *lanes.arguments(reading), width, budget, reads_params,
            self.left_alone,
        )  # fmt: skip
        first = rows[0]
        jobs = [] if first["id"] is None else [ClaimedJob(*row[3:]) for row in rows]
        return Claim(jobs, lease, first["seen"], first["looked_for"], is_cut=bool(first["is_cut"]))
