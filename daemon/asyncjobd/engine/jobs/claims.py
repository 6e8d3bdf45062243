"""The statements of a claim: all rows in one, or row by row where PostgreSQL refuses one of them."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random

import asyncpg
import msgspec

from asyncjobd.engine.jobs.cursors import START, Cursors, Place, Reading, before
from asyncjobd.engine.jobs.finished import FinishedExecution
from asyncjobd.engine.jobs.occupancy import Occupancy
from asyncjobd.engine.jobs.recorder import Recorder
from asyncjobd.engine.lease import Lease
from asyncjobd.engine.left_alone import LeftAlone
from asyncjobd.engine.quarantine import Quarantine
from asyncjobd.job import ClaimedJob
from asyncjobd.postgres.outage import describe, is_refusal
from asyncjobd.postgres.session import Session

MEMORY_RETRY = 0.1  # seconds until the next claim where there was no memory for the params of a job
REFUSED_RETRY = 1.0  # likewise, where PostgreSQL has refused all rows that were tried
MAX_ONE_BY_ONE = 100  # rows that are claimed one by one after a refusal
TOO_LARGE = "they take more than 100 MB"  # the limit of jobs/claim_jobs and jobs/read_params
# the first columns of jobs/claim_jobs; those of ClaimedJob follow
CLAIM_COLUMNS = (
    "seen", "looked_for", "is_cut", "last_key", "last_priority", "last_id", "is_saturated", "seconds"
)  # fmt: skip


@dataclass(slots=True)
class Turn:
    """Where the turns of a limited action go on.

    Attributes:
        last_key: The key behind which the next claim goes on; empty: with the first key.
        last_place: The place behind which the next claim looks for rows without a key.
        is_saturated: True if a limit has ended the choice, so that ready rows may be left.
        seconds: The time until the rate lets one of them start; None: they wait until a place is free.
    """

    last_key: str
    last_place: Place
    is_saturated: bool
    seconds: float | None


@dataclass(slots=True)
class Claim:
    """The rows that one claim has found and taken. The params of jobs that have none here are still to be read."""

    jobs: list[ClaimedJob]
    claim_token: int
    lapses: int  # of the lease, when it was sent
    seen: int = 0  # rows that were found, locked ones included
    seconds: float = 0.0  # spent on finding them, by the server
    is_cut: bool = False  # there are more rows, but no memory for their params
    has_moved: bool = False  # a row was taken, or set aside
    # None where its action has no limits for all daemons, or where nothing of it may be claimed here
    turn: Turn | None = None


class Claims:
    def __init__(
        self,
        session: Session,
        daemon_id: int,
        quarantine: Quarantine,
        recorder: Recorder,
        occupancy: Occupancy,
        lease: Lease,
        chance: Random,
    ) -> None:
        self._session = session
        self._daemon_id = daemon_id
        self._quarantine = quarantine
        self._recorder = recorder
        self._occupancy = occupancy
        self._lease = lease
        # A token never comes back, even if a failover rewinds the database: 30 random bits, then a counter.
        self._tokens = count(chance.getrandbits(30) << 32 | 1)
        self._left_to_others = LeftAlone()
        self.in_flight: int | None = None  # a token whose rows are not known here yet

    @property
    def left_alone(self) -> list[int]:
        """The ids of rows that are not to be claimed here now."""
        return [*self._quarantine.left_alone, *self._left_to_others.ids]

    def leave_to_others(self, job_ids: Iterable[int], seconds: float) -> None:
        """Claim none of these rows for so many seconds."""
        self._left_to_others.add(job_ids, seconds)

    async def claim(self, cursors: Cursors, reading: Reading, wanted: int, width: int, budget: int) -> Claim:
        """Claim up to `wanted` of the first `width` rows, with about `budget` bytes of large params.

        Raise an error that `is_refusal` knows if PostgreSQL refuses a row.
        """
        return await self._run(cursors, reading, wanted, width, budget, reads_params=True)

    async def claim_one_by_one(
        self, cursors: Cursors, reading: Reading, wanted: int
    ) -> AsyncGenerator[Claim, None]:
        """Claim up to `wanted` rows, each alone and without its params. Set aside those that PostgreSQL refuses."""
        for row in await self._find(reading, min(wanted, MAX_ONE_BY_ONE)):
            place = before(row["priority"], row["id"])
            one = cursors.read_one(row["job_name"], 1, place, reading.after_key)
            try:
                claim = await self._run(cursors, one, 1, 1, 1, reads_params=False, only_id=row["id"])
            except Exception as error:
                if not is_refusal(error):
                    raise
                has_moved = await self._quarantine.set_aside(row["id"], error, version=row["version"])
                claim = Claim([], 0, self._lease.lapses, has_moved=has_moved)
            yield claim

    async def _find(self, reading: Reading, limit: int) -> Sequence[asyncpg.Record]:
        """Return the id, the place and the version of each row that a claim would take."""
        if reading.after_key is not None:
            [(priority, job_id)] = reading.places
            return await self._session.run(
                "jobs/find_limited_jobs", name=reading.names[0], limit=limit, left_alone=self.left_alone,
                is_ahead=reading.is_ahead, after_key=reading.after_key, after_priority=priority, after_id=job_id,
            )  # fmt: skip
        priorities, ids = zip(*reading.places, strict=True)
        return await self._session.run(
            "jobs/find_ready_jobs", names=reading.names, after_priorities=priorities, after_ids=ids,
            limit=limit, left_alone=self.left_alone,
        )  # fmt: skip

    async def find_lanes(self, names: Sequence[str]) -> list[asyncpg.Record]:
        """Return rows of jobs/list_lanes: which of these lanes have rows that may be claimed here."""
        return await self._session.run(
            "jobs/list_lanes", names=names, occupied=self._occupancy.of(names), left_alone=self.left_alone
        )

    async def read_params(self, job: ClaimedJob, claim_token: int) -> ClaimedJob | None:
        """Return the job with its params. If they cannot be read, record it as Failed and return None."""
        try:
            rows = await self._session.run("jobs/read_params", job_id=job.id, claim_token=claim_token)
        except Exception as error:
            if not is_refusal(error):
                raise
            self._recorder.add(FinishedExecution.unreadable(job, claim_token, describe(error)))
            return None
        if not rows:  # it was deleted or is not ours any more, which the reconciler finds
            return None
        if rows[0]["params"] is None:
            self._recorder.add(FinishedExecution.unreadable(job, claim_token, TOO_LARGE))
            return None
        return msgspec.structs.replace(job, params=rows[0]["params"])

    async def _run(
        self,
        cursors: Cursors,
        reading: Reading,
        wanted: int,
        width: int,
        budget: int,
        *,
        reads_params: bool,
        only_id: int | None = None,
    ) -> Claim:
        self.in_flight = claim_token = next(self._tokens)
        lapses = self._lease.lapses
        rows = await self._session.run(
            "jobs/claim_jobs", daemon_id=self._daemon_id, claim_token=claim_token, wanted=wanted, width=width,
            memory=budget, reads_params=reads_params, left_alone=self.left_alone,
            occupied=self._occupancy.of(reading.names), only_id=only_id, **cursors.arguments(reading),
        )  # fmt: skip
        first = rows[0]
        jobs = [] if first["id"] is None else [ClaimedJob(*row[len(CLAIM_COLUMNS) :]) for row in rows]
        return Claim(
            jobs,
            claim_token,
            lapses,
            first["seen"],
            first["looked_for"],
            is_cut=first["is_cut"],
            has_moved=bool(jobs),
            turn=_turn(first),
        )


def _turn(row: asyncpg.Record) -> Turn | None:
    if row["last_key"] is None:
        return None
    place = START if row["last_id"] is None else (row["last_priority"], row["last_id"])
    return Turn(row["last_key"], place, row["is_saturated"], row["seconds"])
