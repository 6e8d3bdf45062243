"""Where each lane, the ready rows of one action, is read from: behind the row claimed last, or from its start.

While some transaction holds an old snapshot, the index entries of claimed rows stay, and a read from the start passes
them all. So it gets a share of the time: what it finds (retries, late commits, higher priorities) is found a bit later.

While there is more than is claimed at once, each lane is looked into a bit further than it gave the last time: else
many lanes are read for every few rows. Of what is found, nothing is taken that belongs behind what a lane may have
further on.

Of many lanes only those are read that are known to have rows, and no more at a time than rows are wanted: the first
rows of all are in the lanes that go on first. A lane whose rows somebody has locked is left out, and tried alone now
and then.
"""

import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeAlias

from asyncjobd.actions import Action
from asyncjobd.config import interval
from asyncjobd.job import ClaimedJob

SHARE = 0.02  # of the time that reads from the start may cost
FREE = 0.001  # seconds that one may take
FREE_A_ROW = 0.00001  # and for each row that it finds
SPARE = 0.25  # how much further than it gave a lane is looked into, as a share of that and of its even share
START = (-(2**15), -(2**63))  # priority, id
FEW = 64  # lanes that are all read each time
LOCKED_RETRY = 0.02  # seconds until a lane whose rows are locked is tried again; doubles up to a second
LAST_LOCKED_RETRY = 1.0
MOST_LOCKED = 100_000  # locked rows that are passed in search of a free one

Place: TypeAlias = tuple[int, int]


@dataclass(slots=True)
class Reading:
    """What one claim reads. `is_narrowed`: there may be more than it looks at."""

    names: Sequence[str]
    places: Sequence[Place]
    widths: Sequence[int]
    is_narrowed: bool = False


@dataclass(slots=True)
class LockedLane:
    """A lane of which the first `width` rows were all locked; it is tried again at `retry_at` (monotonic)."""

    width: int
    delay: float = LOCKED_RETRY
    retry_at: float = 0.0

    def postpone(self) -> None:
        self.retry_at = monotonic() + self.delay
        self.delay = min(2 * self.delay, LAST_LOCKED_RETRY)
        self.width = min(2 * self.width, MOST_LOCKED)


class Lanes:
    def __init__(self, served: Sequence[Action]) -> None:
        self._defaults = {
            action.name: (
                interval(action.config.retry_interval),
                action.config.max_execution_count,
                action.config.is_recursive,
                interval(action.config.timeout),
            )
            for action in served
        }
        self._passed = {action.name: START for action in served}
        self.are_many = len(self._passed) > FEW
        self._filled: set[str] = set()  # of many, those that may have rows
        self.locked: dict[str, LockedLane] = {}
        self._given: Counter[str] | None = None  # rows, by the last claim; None: look far
        self._last_took = 0.0  # seconds
        self._start_allowed_at = 0.0  # monotonic

    @property
    def names(self) -> list[str]:
        return list(self._passed)

    @property
    def seconds_to_start(self) -> float:
        """Until they may be read from their start; 0: now."""
        return max(0.0, self._start_allowed_at - monotonic())

    def found(self, names: Collection[str]) -> None:
        """Of many: these have ready rows, the others have none."""
        self._filled = self._passed.keys() & names

    def knocked(self, name: str) -> None:
        """A row of this name has become ready."""
        if self.are_many and name in self._passed and name not in self._filled:
            self._passed[name] = START
            self._filled.add(name)

    def read(self, look: int, *, from_start: bool) -> Reading:
        """Look at so many rows in all."""
        names = [name for name in (self._filled if self.are_many else self._passed) if name not in self.locked]
        is_narrowed = self._given is not None
        if self.are_many and len(names) > look:
            names = heapq.nsmallest(look, names, key=self._passed.__getitem__)
            is_narrowed = True
        places = [START] * len(names) if from_start else [self._passed[name] for name in names]
        return Reading(names, places, self._widths(names, look), is_narrowed)

    def read_one(self, name: str, width: int, after: Place = START) -> Reading:
        """Look at one lane alone."""
        return Reading([name], [after], [width])

    def arguments(self, reading: Reading) -> tuple[Sequence[Any], ...]:
        """Return those of claim.sql that say what is read."""
        defaults = [self._defaults[name] for name in reading.names]
        columns = zip(*defaults, strict=True) if defaults else ((), (), (), ())
        priorities, ids = [priority for priority, _ in reading.places], [job_id for _, job_id in reading.places]
        return (reading.names, *columns, priorities, ids, reading.widths)

    def _widths(self, names: Sequence[str], look: int) -> list[int]:
        if self._given is None:
            return [look] * len(names)
        even = look / max(1, len(names))
        return [min(int((1 + SPARE) * self._given[name] + SPARE * even) + 1, look) for name in names]

    def claimed(self, reading: Reading, jobs: Sequence[ClaimedJob], *, is_full: bool) -> None:
        """Take in what claim.sql answered, in its order. `is_full`: there may be more behind them. If not, what was
        passed before stays passed."""
        has_more = is_full or reading.is_narrowed
        self._given = Counter(job.job_name for job in jobs) if is_full and len(self._passed) > 1 else None
        last = {job.job_name: (job.priority, job.id) for job in jobs}
        for name, place in last.items():
            self._passed[name] = place if has_more else max(place, self._passed[name])
        if self.are_many and not is_full:
            given = Counter(job.job_name for job in jobs)
            widths = zip(reading.names, reading.widths, strict=True)
            self._filled -= {name for name, width in widths if given[name] < width}

    def given_back(self, jobs: Iterable[ClaimedJob]) -> None:
        """They are read again; of an action that has gone since, no more."""
        for job in jobs:
            if (passed := self._passed.get(job.job_name)) is not None:
                self._passed[job.job_name] = min(passed, before(job.priority, job.id))
                self._filled.add(job.job_name)

    def read_from_start(self, seconds: float, found: int, *, is_full: bool) -> None:
        """Finding took so long on the server. One that was slow by chance costs nothing. Where there is always more,
        the way behind the last row is the one to take."""
        usual, self._last_took = min(seconds, self._last_took), seconds
        cost = usual if is_full else usual - FREE - FREE_A_ROW * found
        self._start_allowed_at = monotonic() + max(0.0, cost) / SHARE

    def lock(self, name: str, width: int) -> None:
        """Leave the lane out until it is tried again, as its first `width` rows are locked."""
        self.locked.setdefault(name, LockedLane(width)).postpone()

    def unlock(self, name: str) -> None:
        self.locked.pop(name, None)

    def locked_due(self) -> list[str]:
        """Return the locked lanes that are to be tried again now."""
        now = monotonic()
        return [name for name, lane in self.locked.items() if lane.retry_at <= now]


def before(priority: int, job_id: int) -> Place:
    """Return the place after which this row is the first."""
    return priority, max(job_id - 1, START[1])
