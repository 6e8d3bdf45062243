"""Where each lane, the ready rows of one action, is read from: behind the row claimed last, or from its start.

While some transaction holds an old snapshot, the index entries of claimed rows stay, and a read from the start passes
them all. So it gets a share of the time: what it finds (retries, late commits, higher priorities) is found a bit later.

While there is more than is claimed at once, each lane is looked into a bit further than it gave the last time: else
many lanes are read for every few rows. Of what is found, nothing is taken that belongs behind what a lane may have
further on.

Where lanes are many, a statement first finds out which have rows, and from where on. No more of them are read at a time
than rows are wanted, as the first rows of all are in the lanes that go on first. A lane whose rows somebody has locked
is left out, and tried alone now and then.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeAlias

from asyncjobd.actions.catalog import Action
from asyncjobd.job import ClaimedJob

SHARE = 0.02  # of the time that reads from the start may cost
FREE = 0.001  # seconds that one may take
FREE_A_ROW = 0.00001  # and for each row that it finds
SPARE = 0.25  # how much further than it gave a lane is looked into, as a share of that and of its even share
START = (-(2**15), -(2**63))  # priority, id
FEW = 64  # lanes that are all read each time
LOCKED_RETRY = 0.02  # seconds until a lane whose rows are locked is tried again; doubles up to a second
LAST_LOCKED_RETRY = 1.0
MOST_LOCKED = 1_000_000  # locked rows that are passed in search of a free one

Place: TypeAlias = tuple[int, int]


@dataclass(slots=True)
class Reading:
    """The lanes that one claim reads, and how far. `is_narrowed`: there may be more than it looks at."""

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


class Cursors:
    def __init__(self, served: Sequence[Action]) -> None:
        self._defaults = {
            action.name: (
                action.config.retry_interval,
                action.config.max_execution_count,
                action.config.is_recursive,
                action.config.timeout,
            )
            for action in served
        }
        self._passed = {action.name: START for action in served}
        self.are_many = len(self._passed) > FEW
        self._filled: set[str] = set()  # of many, those that have rows
        self._moved: set[str] = set()  # of many, those of which it is not known where they go on
        self.locked: dict[str, LockedLane] = {}
        self._given: Counter[str] | None = None  # rows, by the last claim; None: look far
        self._last_took = 0.0  # seconds
        self._start_allowed_at = 0.0  # monotonic

    @property
    def seconds_to_start(self) -> float:
        """Until they may be read from their start; 0: now."""
        return max(0.0, self._start_allowed_at - monotonic())

    def unknown(self, *, from_start: bool) -> list[str]:
        """Return the names, where they are many, of which it is not known whether they have rows."""
        return list(self._passed) if from_start else list(self._moved)

    def found(self, names: Iterable[str], first: Mapping[str, Place]) -> None:
        """Take in which of these names have ready rows, and from which places on."""
        self._moved.difference_update(names)
        self._filled.difference_update(names)
        self._filled.update(first)
        self._passed.update({name: before(*place) for name, place in first.items()})

    def knocked(self, name: str) -> None:
        """A row of this name has become ready."""
        if self.are_many and name in self._passed:
            self._moved.add(name)

    def read(self, look: int, *, from_start: bool) -> Reading:
        """Look at so many rows in all."""
        names = [
            name for name in (self._filled if self.are_many else self._passed) if name not in self.locked
        ]
        is_narrowed = self._given is not None
        if self.are_many and len(names) > look:
            names = heapq.nsmallest(look, names, key=self._passed.__getitem__)
            is_narrowed = True
        if not names:
            self._given, is_narrowed = None, False
        is_at_start = from_start and not self.are_many  # of which it is known where they start
        places = [START] * len(names) if is_at_start else [self._passed[name] for name in names]
        return Reading(names, places, self._widths(names, look), is_narrowed)

    def read_one(self, name: str, width: int, after: Place = START) -> Reading:
        """Look at one lane alone."""
        return Reading([name], [after], [width])

    def arguments(self, reading: Reading) -> tuple[Sequence[Any], ...]:
        """Return those of claim.sql that say what is read."""
        defaults = [self._defaults[name] for name in reading.names]
        columns = zip(*defaults, strict=True) if defaults else ((), (), (), ())
        priorities, ids = (
            [priority for priority, _ in reading.places],
            [job_id for _, job_id in reading.places],
        )
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
        if self.are_many:
            self._moved.update(reading.names)

    def given_back(self, jobs: Iterable[ClaimedJob]) -> None:
        """They are read again; of an action that has gone since, no more."""
        for job in jobs:
            if (passed := self._passed.get(job.job_name)) is not None:
                self._passed[job.job_name] = min(passed, before(job.priority, job.id))
                self.knocked(job.job_name)

    def read_from_start(self, seconds: float, found: int, *, is_full: bool) -> None:
        """Finding took so long on the server. One that was slow by chance costs nothing. Where there is always more,
        the way behind the last row is the one to take."""
        usual, self._last_took = min(seconds, self._last_took), seconds
        cost = usual if is_full else usual - FREE - FREE_A_ROW * found
        self._start_allowed_at = monotonic() + max(0.0, cost) / SHARE

    def lock(self, names: Iterable[str], width: int) -> None:
        """Leave these lanes out until each is tried again alone, as their first `width` rows are locked."""
        for name in names:
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
