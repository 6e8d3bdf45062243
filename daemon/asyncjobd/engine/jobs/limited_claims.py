"""Claims jobs of actions with limits for all daemons, each action in its turn.

A row that is claimed ahead of a free slot takes a place that another daemon might use. So rows are claimed ahead only
while half of each limit stays free.
"""

from collections.abc import Iterable
from contextlib import aclosing
from math import inf
from time import monotonic

import structlog

from asyncjobd.actions.controls import Controls
from asyncjobd.engine.jobs.claims import MEMORY_RETRY, REFUSED_RETRY, Claims
from asyncjobd.engine.jobs.cursors import Cursors, Reading
from asyncjobd.engine.jobs.handover import Handover
from asyncjobd.engine.jobs.limited_lane import LimitedLane
from asyncjobd.engine.jobs.prefetch import Prefetch
from asyncjobd.postgres.outage import describe, is_refusal

log = structlog.get_logger("asyncjobd.job")


class LimitedClaims:
    def __init__(self, claims: Claims, handover: Handover, prefetch: Prefetch, controls: Controls) -> None:
        self._claims = claims
        self._handover = handover
        self._prefetch = prefetch
        self._controls = controls
        self._lanes: dict[str, LimitedLane] = {}  # in the order of their turns

    @property
    def are_due(self) -> bool:
        """True if some lane has rows that may start, as far as is known."""
        return any(lane.is_due for lane in self._lanes.values())

    @property
    def seconds_to_next(self) -> float | None:
        """The seconds until a lane that rests may have a start; None if a notification will tell."""
        rests = [
            lane.rests_until for lane in self._lanes.values() if lane.has_rows and lane.rests_until < inf
        ]
        return max(0.0, min(rests) - monotonic()) if rests else None

    def note_ready(self, job_names: Iterable[str], *, are_all: bool) -> None:
        """Take up that rows of these actions, or of any, may be ready, or places free."""
        for lane in self._lanes.values() if are_all else ():
            lane.wake(has_rows=False)
        for lane in (self._lanes[name] for name in job_names if name in self._lanes):
            lane.wake(has_rows=True)

    async def find(self, served: Iterable[str]) -> None:
        """Find out which lanes have rows, of those that do not rest."""
        limited = self._controls.limited
        if not (limited or self._lanes):
            return
        names = limited.intersection(served)
        self._lanes = {name: lane for name, lane in self._lanes.items() if name in names}
        self._lanes |= {name: LimitedLane(name) for name in sorted(names - self._lanes.keys())}
        unknown = [lane.name for lane in self._lanes.values() if not (lane.has_rows or lane.rests)]
        if unknown:
            for row in await self._claims.find_lanes(unknown):
                if row["name"] is not None:
                    self._lanes[row["name"]].wake(has_rows=True)

    def in_turn(self, *, has_slot: bool) -> list[LimitedLane]:
        """Return the lanes that are due, in the order of their turns. `has_slot`: those for a free slot, too."""
        return [lane for lane in self._lanes.values() if lane.is_due and (has_slot or not lane.is_tight)]

    async def claim(
        self, lane: LimitedLane, cursors: Cursors, wanted: int, budget: int, *, is_ahead: bool
    ) -> None:
        """Claim up to `wanted` rows of a lane, with about `budget` bytes of large params, and hand them over.

        The lane is the last one in the next turn.
        """
        self._lanes[lane.name] = self._lanes.pop(lane.name)
        reading = cursors.read_one(lane.name, wanted, lane.place, lane.after_key, is_ahead=is_ahead)
        try:
            claim = await self._claims.claim(cursors, reading, wanted, wanted, budget)
        except Exception as error:
            if not is_refusal(error):
                raise
            log.warning(
                "claim.refused", reason=describe(error), consequence="the next rows are claimed one by one"
            )
            await self._claim_one_by_one(lane, cursors, reading, wanted)
            return
        lane.note_claim(claim, is_ahead=is_ahead)
        self._prefetch.note_claim(len(claim.jobs), is_cut=claim.is_cut)
        if claim.is_cut and not claim.jobs:
            lane.rest(MEMORY_RETRY)
        await self._handover.start(claim)

    async def _claim_one_by_one(
        self, lane: LimitedLane, cursors: Cursors, reading: Reading, wanted: int
    ) -> None:
        has_moved = False
        try:
            async with aclosing(self._claims.claim_one_by_one(cursors, reading, wanted)) as claims:
                async for claim in claims:
                    has_moved = has_moved or claim.has_moved
                    await self._handover.start(claim)
        except Exception as error:
            if not is_refusal(error):
                raise
            log.warning("claim.refused", reason=describe(error), consequence=f"{lane.name} waits")
        if not has_moved:
            lane.rest(REFUSED_RETRY)
