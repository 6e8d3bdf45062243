"""What this daemon has done: the ends of executions by action, and how long its jobs waited and ran.

Times go into buckets whose bounds are powers of two of a microsecond: one addition a job, and a percentile that is
at most twice and at least a half of the true one.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from time import monotonic
from typing import Any

import msgspec

BUCKETS = 64  # the longest interval that a row can have is of 55
SAMPLES = 4  # of which the oldest is compared with now
SAMPLE_SECONDS = 5.0  # between two

Endings = dict[str, int]


class Histogram:
    """How many took less than 2 ** k microseconds, but not less than the half of it."""

    __slots__ = ("buckets", "seconds")

    def __init__(self, buckets: Sequence[int] = (0,) * BUCKETS, seconds: float = 0.0) -> None:
        self.buckets = list(buckets)
        self.seconds = seconds  # their sum

    def copy(self) -> "Histogram":
        return Histogram(self.buckets, self.seconds)

    def since(self, before: "Histogram") -> "Histogram":
        return Histogram([now - then for now, then in zip(self.buckets, before.buckets, strict=True)])

    def percentile(self, share: float) -> float | None:
        """In seconds, interpolated within its bucket; None of nothing."""
        wanted = share * sum(self.buckets)
        passed = 0
        for number, count in enumerate(self.buckets):
            if count and passed + count >= wanted:
                upper = 2.0**number
                return (upper / 2 + (wanted - passed) / count * upper / 2) / 1e6
            passed += count
        return None


class ActionMetrics:
    """Of one action, since the start."""

    __slots__ = ("endings", "ran", "waited")

    def __init__(self) -> None:
        self.endings: Endings = {"completed": 0, "failed": 0, "retried": 0, "repeated": 0, "stopped": 0}
        self.waited = Histogram()
        self.ran = Histogram()

    @property
    def total(self) -> int:
        return sum(self.endings.values())

    def copy(self) -> "ActionMetrics":
        copy = ActionMetrics()
        copy.endings, copy.waited, copy.ran = dict(self.endings), self.waited.copy(), self.ran.copy()
        return copy


class DaemonMetrics:
    def __init__(self) -> None:
        self.actions: dict[str, ActionMetrics] = {}
        self.rescued = 0  # jobs of daemons that were gone
        self.disowned = 0  # outcomes that were refused, as the lease was lost
        self.fenced = 0  # times that the lease could not be renewed
        self._samples: deque[tuple[float, dict[str, ActionMetrics]]] = deque(
            [(monotonic(), {})], maxlen=SAMPLES
        )

    def count_each(self, ending: str, lines: Iterable[Mapping[str, Any]]) -> None:
        """The ends of executions, by their log lines."""
        actions = self.actions
        for line in lines:
            done = actions.get(line["job_name"])
            if done is None:
                done = actions[line["job_name"]] = ActionMetrics()
            done.endings[ending] += 1
            waited, ran = line["waited"], line["duration"]
            done.waited.buckets[int(waited * 1e6).bit_length()] += 1
            done.waited.seconds += waited
            done.ran.buckets[int(ran * 1e6).bit_length()] += 1
            done.ran.seconds += ran

    def sample(self) -> None:
        """To be called now and then: `lately` is from the oldest of a few samples until now."""
        if monotonic() >= self._samples[-1][0] + SAMPLE_SECONDS:
            self._samples.append(
                (monotonic(), {name: done.copy() for name, done in list(self.actions.items())})
            )

    def lately(self) -> dict[str, Any]:
        """Of each action that had any job: how many ended since the start and a second, and the median and the 99th
        percentile of their waiting and running in seconds (None: there were none)."""
        began_at, before = self._samples[0]
        seconds = max(monotonic() - began_at, 1e-3)
        actions = {}
        for name, done in list(self.actions.items()):
            then = before.get(name) or ActionMetrics()
            waited, ran = done.waited.since(then.waited), done.ran.since(then.ran)
            actions[name] = done.endings | {
                "rate": round((done.total - then.total) / seconds, 3),
                "waited": [waited.percentile(0.5), waited.percentile(0.99)],
                "ran": [ran.percentile(0.5), ran.percentile(0.99)],
            }
        return {"seconds": round(seconds, 3), "actions": actions}

    @property
    def total(self) -> int:
        """Executions that ended, since the start."""
        return sum(done.total for done in list(self.actions.values()))

    @property
    def rate(self) -> float:
        """Executions that ended lately, a second."""
        began_at, before = self._samples[0]
        return (self.total - sum(done.total for done in before.values())) / max(monotonic() - began_at, 1e-3)

    def encoded(self, away: str | None = None) -> str:
        """What a beat carries: a sample, and what it shows; and why the database is away for all but the beat."""
        self.sample()
        return msgspec.json.encode(self.lately() | ({"away": away} if away else {})).decode()
