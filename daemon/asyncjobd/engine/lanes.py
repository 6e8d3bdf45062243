"""Where each lane, the ready rows of one action, is read from: behind the row claimed last, or from its start.

While some transaction holds an old snapshot, the index entries of claimed rows stay, and a read from the start passes
them all. So it gets a share of the time: what it finds (retries, late commits, higher priorities) is found a bit later.

While there is more than is claimed at once, each lane is looked into a bit further than it gave the last time: else
many lanes are read for every few rows. Of what is found, nothing is taken that belongs behind what a lane may have
further on.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Any

from asyncjobd.actions import Action
from asyncjobd.config import interval
from asyncjobd.job import ClaimedJob

SHARE = 0.02  # of the time that reads from the start may cost
FREE = 0.001  # seconds that one may take
FREE_A_ROW = 0.00001  # and for each row that it finds
SPARE = 0.25  # how much further than it gave a lane is looked into, as a share of that and of its even share
START = (-(2**15), -(2**63))  # priority, id


class Lanes:
    def __init__(self, served: Sequence[Action]) -> None:
        self._defaults = (
            [action.name for action in served],
            [interval(action.config.retry_interval) for action in served],
            [action.config.max_execution_count for action in served],
            [action.config.is_recursive for action in served],
            [interval(action.config.timeout) for action in served],
        )
        self._passed = {action.name: START for action in served}
        self._given: Counter[str] | None = None  # rows, by the last claim; None: look far
        self._last_took = 0.0  # seconds
        self._start_allowed_at = 0.0  # monotonic

    @property
    def seconds_to_start(self) -> float:
        """Until they may be read from their start; 0: now."""
        return max(0.0, self._start_allowed_at - monotonic())

    @property
    def is_narrowed(self) -> bool:
        """Then there may be more than the next claim looks at."""
        return self._given is not None

    def arguments(self, look: int, *, from_start: bool) -> tuple[list[Any], ...]:
        """Those of claim.sql; `look`: at so many rows in all."""
        after = [START] * len(self._passed) if from_start else self._passed.values()
        priorities, ids = [priority for priority, _ in after], [job_id for _, job_id in after]
        return (*self._defaults, priorities, ids, self._widths(look))

    def _widths(self, look: int) -> list[int]:
        if self._given is None:
            return [look] * len(self._passed)
        even = look / len(self._passed)
        return [min(int((1 + SPARE) * self._given[name] + SPARE * even) + 1, look) for name in self._passed]

    def claimed(self, jobs: Sequence[ClaimedJob], *, is_full: bool) -> None:
        """What claim.sql answered, in its order. `is_full`: there may be more behind them. If not, what was passed
        before stays passed."""
        has_more = is_full or self.is_narrowed
        self._given = Counter(job.job_name for job in jobs) if is_full and len(self._passed) > 1 else None
        last = {job.job_name: (job.priority, job.id) for job in jobs}
        for name, place in last.items():
            self._passed[name] = place if has_more else max(place, self._passed[name])

    def given_back(self, jobs: Iterable[ClaimedJob]) -> None:
        """They are read again; of an action that has gone since, no more."""
        for job in jobs:
            if (passed := self._passed.get(job.job_name)) is not None:
                self._passed[job.job_name] = min(passed, (job.priority, job.id - 1))

    def read_from_start(self, seconds: float, found: int, *, is_full: bool) -> None:
        """Finding took so long on the server. One that was slow by chance costs nothing. Where there is always more,
        the way behind the last row is the one to take."""
        usual, self._last_took = min(seconds, self._last_took), seconds
        cost = usual if is_full else usual - FREE - FREE_A_ROW * found
        self._start_allowed_at = monotonic() + max(0.0, cost) / SHARE
