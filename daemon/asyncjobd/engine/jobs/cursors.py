"""The cursors of the lanes: where the ready rows of each action are read on.

A lane is read behind the row that was claimed last. While some transaction holds an old snapshot, the index entries of
claimed rows stay, and a read from the start of the lanes passes them all. So reads from the start get a share of the
time, and what only they find (retries, late commits, higher priorities) is found a bit later.

While more rows are ready than are claimed at once, each lane is read only a little further than it gave the last time:
otherwise many rows would be read for few claims. Nothing is claimed that belongs behind rows which were not read.

With many lanes, a statement first finds out which have rows. Then as many lanes are read as rows are wanted, those with
the best first rows. Lanes whose rows are all locked are left out, and each is tried alone now and then.
"""

import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeAlias

from asyncjobd.actions.catalog import Action
from asyncjobd.engine.retry_delay import RetryDelay
from asyncjobd.job import ClaimedJob

START_READS_SHARE = 0.02  # the largest share of the time for reads from the start
FREE_SECONDS = 0.001  # free for each read from the start
FREE_SECONDS_PER_ROW = 0.00001  # likewise, for each row that it finds
EXTRA_WIDTH = 0.25  # how much further a lane is looked into: a share of what it gave, and of its even share
START = (-(2**15), -(2**63))  # priority, id
MAX_READ_AT_ONCE = 64  # lanes; more are first searched for those that have rows
LOCKED_RETRY = 0.02  # seconds until a lane whose rows are locked is tried again; doubles
MAX_LOCKED_WIDTH = 1_000_000  # locked rows that are passed in search of a free one

Place: TypeAlias = tuple[int, int]


@dataclass(slots=True)
class Reading:
    """The lanes that one claim reads, behind which places, and how many rows of each.

    If `is_narrowed`, there may be more rows than it looks at. `after_key`: behind which key the one lane of an action
    with limits for all daemons is read; None: the lanes are others. `is_ahead`: half of each of its limits stays free.
    """

    names: Sequence[str]
    places: Sequence[Place]
    widths: Sequence[int]
    is_narrowed: bool = False
    after_key: str | None = None
    is_ahead: bool = False


@dataclass(slots=True)
class LockedLane:
    """A lane whose first `width` rows were all locked. It is tried again at `retry_at` (monotonic)."""

    width: int
    delay: RetryDelay = field(default_factory=lambda: RetryDelay(LOCKED_RETRY))
    retry_at: float = 0.0

    def postpone(self) -> None:
        self.retry_at = monotonic() + self.delay.seconds
        self.delay.note(are_locked=True)
        self.width = min(2 * self.width, MAX_LOCKED_WIDTH)


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
        self.are_many = len(self._passed) > MAX_READ_AT_ONCE
        self._filled: set[str] = set()  # the lanes that have rows, if they are many
        self._moved: set[str] = set()  # the lanes whose next rows are not known, if they are many
        self.locked: dict[str, LockedLane] = {}
        self._given: Counter[str] | None = None  # rows that the last claim took of each lane; None: look far
        self._last_took = 0.0  # seconds
        self._start_allowed_at = 0.0  # monotonic

    @property
    def seconds_to_start(self) -> float:
        """The seconds until the lanes may be read from their start; 0: now."""
        return max(0.0, self._start_allowed_at - monotonic())

    def unknown(self, *, from_start: bool) -> list[str]:
        """Return the lanes, if they are many, that may or may not have rows."""
        return list(self._passed) if from_start else list(self._moved)

    def note_found(self, names: Iterable[str], first: Mapping[str, Place]) -> None:
        """Remember which of these lanes have ready rows, and the place of the first row of each."""
        self._moved.difference_update(names)
        self._filled.difference_update(names)
        self._filled.update(first)
        self._passed.update({name: before(*place) for name, place in first.items()})

    def note_ready(self, name: str) -> None:
        """Remember that a row of this lane has become ready."""
        if self.are_many and name in self._passed:
            self._moved.add(name)

    def read(self, look: int, limited: Collection[str], *, from_start: bool) -> Reading:
        """Return what to read for a look at `look` rows in all, not of these `limited` actions."""
        names = [
            name for name in (self._filled if self.are_many else self._passed)
            if name not in self.locked and name not in limited
        ]  # fmt: skip
        is_narrowed = self._given is not None
        if self.are_many and len(names) > look:
            names = heapq.nsmallest(look, names, key=self._passed.__getitem__)
            is_narrowed = True
        if not names:
            self._given, is_narrowed = None, False
        is_at_start = from_start and not self.are_many  # many lanes are known by their first rows
        places = [START] * len(names) if is_at_start else [self._passed[name] for name in names]
        return Reading(names, places, self._widths(names, look), is_narrowed)

    def read_one(
        self,
        name: str,
        width: int,
        after: Place = START,
        after_key: str | None = None,
        *,
        is_ahead: bool = False,
    ) -> Reading:
        """Return what to read for a look at one lane alone."""
        return Reading([name], [after], [width], after_key=after_key, is_ahead=is_ahead)

    def arguments(self, reading: Reading) -> dict[str, Any]:
        """Return the arguments of jobs/claim_jobs that say what is read."""
        defaults = [self._defaults[name] for name in reading.names]
        return {
            "names": reading.names,
            "retry_intervals": [retry_interval for retry_interval, _, _, _ in defaults],
            "max_execution_counts": [count for _, count, _, _ in defaults],
            "are_recursive": [is_recursive for _, _, is_recursive, _ in defaults],
            "timeouts": [timeout for _, _, _, timeout in defaults],
            "after_priorities": [priority for priority, _ in reading.places],
            "after_ids": [job_id for _, job_id in reading.places],
            "widths": reading.widths,
            "is_limited": reading.after_key is not None,
            "after_key": reading.after_key or "",
            "is_ahead": reading.is_ahead,
        }

    def _widths(self, names: Sequence[str], look: int) -> list[int]:
        if self._given is None:
            return [look] * len(names)
        even = look / max(1, len(names))
        return [
            min(int((1 + EXTRA_WIDTH) * self._given[name] + EXTRA_WIDTH * even) + 1, look) for name in names
        ]

    def note_claim(self, reading: Reading, jobs: Sequence[ClaimedJob], *, is_full: bool) -> None:
        """Move the cursor of each lane to the last row that was claimed of it.

        It moves back only if more rows may follow: after a full claim, or a reading that was narrowed.
        """
        has_more = is_full or reading.is_narrowed
        self._given = Counter(job.job_name for job in jobs) if is_full and len(self._passed) > 1 else None
        last = {job.job_name: (job.priority, job.id) for job in jobs}
        for name, place in last.items():
            self._passed[name] = place if has_more else max(place, self._passed[name])
        if self.are_many:
            self._moved.update(reading.names)

    def note_given_back(self, jobs: Iterable[ClaimedJob]) -> None:
        """Read these rows again, unless their action is not served any more."""
        for job in jobs:
            if (passed := self._passed.get(job.job_name)) is not None:
                self._passed[job.job_name] = min(passed, before(job.priority, job.id))
                self.note_ready(job.job_name)

    def note_read_from_start(self, seconds: float, found: int, *, is_full: bool) -> None:
        """Decide when to read from the start again, so that such reads take START_READS_SHARE of the time at most.

        The shorter of the last two times counts, so that a single slow read is free. A read that was not full also
        gets some free time for the rows that it found.
        """
        usual, self._last_took = min(seconds, self._last_took), seconds
        cost = usual if is_full else usual - FREE_SECONDS - FREE_SECONDS_PER_ROW * found
        self._start_allowed_at = monotonic() + max(0.0, cost) / START_READS_SHARE

    def lock(self, names: Iterable[str], width: int) -> None:
        """Leave these lanes out, as their first `width` rows are locked, until each is tried again alone."""
        for name in names:
            self.locked.setdefault(name, LockedLane(width)).postpone()

    def unlock(self, name: str) -> None:
        self.locked.pop(name, None)

    def locked_due(self) -> list[str]:
        """Return the locked lanes that are due to be tried again."""
        now = monotonic()
        return [name for name, lane in self.locked.items() if lane.retry_at <= now]


def before(priority: int, job_id: int) -> Place:
    """Return the place behind which this row is the first."""
    return priority, max(job_id - 1, START[1])
