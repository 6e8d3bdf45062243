"""Claims ready rows: in one statement, or row by row where PostgreSQL refuses one of them."""

import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from itertools import count

import msgspec

from asyncjobd.engine.jobs.cursors import Cursors, Reading, before
from asyncjobd.engine.jobs.execution import FinishedExecution
from asyncjobd.engine.jobs.recorder import Recorder
from asyncjobd.engine.quarantine import Quarantine
from asyncjobd.job import ClaimedJob
from asyncjobd.postgres.outage import describe, is_refusal
from asyncjobd.postgres.session import Session

MOST_CAREFUL = 100  # rows that are claimed one by one after a refusal
TOO_LARGE = "they take more than 100 MB"  # as claim.sql and read_params.sql have it


@dataclass(slots=True)
class Claim:
    """A claim: what it has found and taken. Jobs whose params are empty are still to be read. `is_cut`: there are more
    rows to be had, but their params need memory that is not there. `has_moved`: a row was taken, or put out of the way.
    """

    jobs: list[ClaimedJob]
    lease: int
    seen: int = 0
    looked_for: float = 0.0
    is_cut: bool = False
    has_moved: bool = False


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

    async def take(self, lanes: Cursors, reading: Reading, wanted: int, width: int, budget: int) -> Claim:
        """Claim up to `wanted` rows out of the first `width`, with large params of `budget` bytes, about.

        Raise what `is_refusal` knows where PostgreSQL refuses a row.
        """
        return await self._run(lanes, reading, wanted, width, budget, reads_params=True)

    async def take_carefully(
        self, lanes: Cursors, reading: Reading, wanted: int
    ) -> AsyncGenerator[Claim, None]:
        """Claim up to `wanted` rows one by one, without their params. A row that cannot be written is set aside."""
        priorities, ids = zip(*reading.places, strict=True)
        rows = await self._session.run(
            "list_ready", reading.names, priorities, ids, min(wanted, MOST_CAREFUL), self.left_alone
        )
        for row in rows:
            one = lanes.read_one(row["job_name"], 1, before(row["priority"], row["id"]))
            try:
                claim = await self._run(lanes, one, 1, 1, 1, reads_params=False)
            except Exception as error:
                if not is_refusal(error):
                    raise
                has_moved = await self._quarantine.set_aside(row["id"], error, version=row["version"])
                claim = Claim([], 0, has_moved=has_moved)
            yield claim

    async def read(self, job: ClaimedJob, lease: int) -> ClaimedJob | None:
        """Read the params of a job that was claimed without them. Where they cannot be, the job is Failed."""
        try:
            rows = await self._session.run("read_params", job.id, lease)
        except Exception as error:
            if not is_refusal(error):
                raise
            self._recorder.add(FinishedExecution.unreadable(job, lease, describe(error)))
            return None
        if not rows:  # it was deleted, or is not ours any more, which the auditor finds
            return None
        if rows[0]["params"] is None:
            self._recorder.add(FinishedExecution.unreadable(job, lease, TOO_LARGE))
            return None
        return msgspec.structs.replace(job, params=rows[0]["params"])

    async def _run(
        self, lanes: Cursors, reading: Reading, wanted: int, width: int, budget: int, *, reads_params: bool
    ) -> Claim:
        self.in_flight = lease = next(self._leases)
        rows = await self._session.run(
            "claim", self._daemon_id, lease, wanted, *lanes.arguments(reading), width, budget, reads_params,
            self.left_alone,
        )  # fmt: skip
        first = rows[0]
        jobs = [] if first["id"] is None else [ClaimedJob(*row[3:]) for row in rows]
        return Claim(
            jobs, lease, first["seen"], first["looked_for"], is_cut=first["is_cut"], has_moved=bool(jobs)
        )
