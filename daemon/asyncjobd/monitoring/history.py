"""What has ended and how the queue stood, since a time: the rows of asyncjob.rollup, put together."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from asyncjobd.config.model import MINUTES_KEPT
from asyncjobd.monitoring.run import Run
from asyncjobd.observability.metrics.histogram import Histogram

WRITTEN_AFTER = timedelta(seconds=5)  # the end of a minute, daemons have written it
MOST_STEPS = 48  # of a history
HOUR = timedelta(hours=1)
STEPS = (
    *(timedelta(minutes=each) for each in (1, 2, 5, 10, 30)),
    *(timedelta(hours=each) for each in (1, 2, 6, 12)),
    *(timedelta(days=each) for each in (1, 2, 5, 10, 30, 100, 300)),
)
TRANSITIONS = ("completed", "failed", "retried", "repeated", "stopped")
QUEUE = ("ready", "queued", "held")

Row = Mapping[str, Any]  # of inspect/list_history.sql


@dataclass(slots=True)
class Figures:
    """What has ended in a time, and how the queue stood.

    `transitions`: executions by what became of their jobs. `queue`: the most ready, queued and held jobs at the end of
    a minute, of several names the sum of each one's most, and `oldest_ready` the longest that one was ready then, in
    seconds; None where none stood in it.
    """

    transitions: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TRANSITIONS, 0))
    waited: int = 0  # this and the next are the numbers of histograms
    ran: int = 0
    queue: dict[str, int] | None = None
    oldest_ready: float | None = None

    @property
    def ended(self) -> int:
        return sum(self.transitions.values())

    def as_dict(self, seconds: float) -> dict[str, Any]:
        """Return the figures of so many seconds, with rate and percentiles as the overview has them."""
        return {
            "ended": self.ended,
            **self.transitions,
            "rate": self.ended / max(seconds, 1.0),
            "waited": percentiles(self.waited),
            "ran": percentiles(self.ran),
            **(self.queue or dict.fromkeys(QUEUE)),
            "oldest_ready": self.oldest_ready,
        }


def percentiles(number: int) -> list[float | None] | None:
    """Return the median and the 99th percentile, in seconds, of the histogram of a number; None where it is empty."""
    histogram = Histogram.of_number(number)
    return [histogram.percentile(0.5), histogram.percentile(0.99)] if number else None


def merge(rows: Iterable[Row]) -> Figures | None:
    """Return the figures of rows together; None where there are none."""
    figures = None
    most: dict[str, dict[str, int]] = {}  # of each name, in the queue
    for row in rows:
        figures = figures or Figures()
        for name in TRANSITIONS:
            figures.transitions[name] += row[name]
        figures.waited += int(row["waited"])
        figures.ran += int(row["ran"])
        if row["ready"] is not None:
            queue = most.setdefault(row["job_name"], dict.fromkeys(QUEUE, 0))
            queue |= {name: max(queue[name], row[name]) for name in QUEUE}
        if row["oldest_ready"] is not None:
            figures.oldest_ready = max(figures.oldest_ready or 0.0, row["oldest_ready"])
    if figures is not None and most:
        figures.queue = {name: sum(queue[name] for queue in most.values()) for name in QUEUE}
    return figures


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a history. `figures`: None where no row tells of it: nothing has ended, or no daemon was alive."""

    began_at: datetime
    seconds: float
    figures: Figures | None

    def as_dict(self) -> dict[str, Any]:
        told = (self.figures or Figures()).as_dict(self.seconds)
        return {"began_at": self.began_at} | (dict.fromkeys(told) if self.figures is None else told)


class History:
    """What has ended from one time to another, in steps of one length; the last may be shorter.

    Attributes:
        since: When the first step begins: at the time that was asked for, or a bit before it.
        until: When the last step ends. What is later counts for that.
        length: Of a step.
    """

    def __init__(
        self, rows: Iterable[Row], since: datetime, until: datetime, length: timedelta | None = None
    ) -> None:
        """Put the rows together. `length` None: one of which there are not too many."""
        self.length = length or length_for(until - since)
        self.since = beginning(since, self.length)
        self.until = until
        self._rows = defaultdict[str, list[Row]](list)
        for row in rows:
            self._rows[row["job_name"]].append(row)

    @property
    def seconds(self) -> float:
        return (self.until - self.since).total_seconds()

    @property
    def names(self) -> list[str]:
        """The job names that it tells of."""
        return sorted(self._rows)

    def figures(self, job_name: str | None = None) -> Figures:
        """Return the figures of all of it, of one name or of all together."""
        return merge(self._of(job_name)) or Figures()

    def steps(self, job_name: str | None = None) -> list[Step]:
        """Return the steps, the oldest first, of one name or of all together."""
        rows: list[list[Row]] = [[] for _ in range(self._number)]
        for row in self._of(job_name):
            rows[self._place(row)].append(row)
        return [self._step(place, each) for place, each in enumerate(rows)]

    def ended(self, job_name: str) -> list[int | None]:
        """Return how many executions of a name have ended in each step; None where no row tells of it."""
        found: list[int | None] = [None] * self._number
        for row in self._of(job_name):
            place = self._place(row)
            found[place] = (found[place] or 0) + sum(row[name] for name in TRANSITIONS)
        return found

    @property
    def _number(self) -> int:
        return max(-((self.since - self.until) // self.length), 1)

    def _of(self, job_name: str | None) -> Iterable[Row]:
        return chain.from_iterable(self._rows.values()) if job_name is None else self._rows.get(job_name, ())

    def _place(self, row: Row) -> int:
        """Return the step of a row. The clocks of the database and of this machine may differ."""
        place: int = (row["began_at"] - self.since) // self.length
        return min(max(place, 0), self._number - 1)

    def _step(self, place: int, rows: Sequence[Row]) -> Step:
        began_at = self.since + place * self.length
        seconds = (min(began_at + self.length, self.until) - began_at).total_seconds()
        return Step(began_at, seconds, merge(rows))


def length_for(span: timedelta) -> timedelta:
    """Return the length of a step, the shortest of which there are not too many in a time."""
    return next((length for length in STEPS if span <= (MOST_STEPS - 1) * length), STEPS[-1])


def beginning(since: datetime, length: timedelta) -> datetime:
    """Return when the step begins in which a time lies: so many steps after local midnight, or then."""
    midnight = since.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (since - midnight) // length * length


async def read_history(
    run: Run, since: datetime, now: datetime, job_name: str | None = None, length: timedelta | None = None
) -> History:
    """Return the history of the jobs of a name, or of all, since a time and up to the last minute that was written."""
    until = max((now - WRITTEN_AFTER).replace(second=0, microsecond=0), since + timedelta(minutes=1))
    length = length or length_for(until - since)
    first = beginning(since, length)
    rows = await run(
        "inspect/list_history", since=first, length=length, job_name=job_name,
        minutes=60 if _are_hours(first, length) or now - first > MINUTES_KEPT else 1,
    )  # fmt: skip
    return History(map(dict, rows), since, until, length)


def _are_hours(first: datetime, length: timedelta) -> bool:
    """Return whether steps are made of whole hours of UTC."""
    return length % HOUR == timedelta() and first.timestamp() % HOUR.total_seconds() == 0
