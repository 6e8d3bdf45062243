"""The metrics of this daemon: how its executions ended, how long jobs waited and ran, and what went wrong.

The event loop counts, other threads read: a reader sees each number as it is at that moment.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from time import monotonic
from typing import Any

import msgspec

from asyncjobd.observability.metrics.histogram import Histogram

SAMPLES = 4  # kept; rates and percentiles are those since the oldest
SAMPLE_SECONDS = 5.0  # at least, between two samples


class ActionMetrics:
    """The metrics of one action since the start of the daemon.

    Attributes:
        transitions: The number of executions by what their row became: "completed", "failed", "retried" (runs
            again after a failure), "repeated" (a recursive job waits for its next time) or "stopped".
        wait_times: How long jobs waited, from the time they were due to the start of their handler.
        run_times: How long handlers ran.
    """

    __slots__ = ("run_times", "transitions", "wait_times")

    def __init__(self) -> None:
        self.transitions = {"completed": 0, "failed": 0, "retried": 0, "repeated": 0, "stopped": 0}
        self.wait_times = Histogram()
        self.run_times = Histogram()

    @property
    def total(self) -> int:
        """The number of executions that ended."""
        return sum(self.transitions.values())

    def copy(self) -> "ActionMetrics":
        """Return a copy that no longer changes."""
        copy = ActionMetrics()
        copy.transitions = dict(self.transitions)
        copy.wait_times, copy.run_times = self.wait_times.copy(), self.run_times.copy()
        return copy

    def since(self, earlier: "ActionMetrics") -> "ActionMetrics":
        """Return what has been counted since an earlier copy was made, without the sums of the times."""
        difference = ActionMetrics()
        difference.transitions = {
            name: count - earlier.transitions[name] for name, count in self.transitions.items()
        }
        difference.wait_times = self.wait_times.since(earlier.wait_times)
        difference.run_times = self.run_times.since(earlier.run_times)
        return difference


class DaemonMetrics:
    """The metrics of this daemon since its start.

    Attributes:
        actions: The metrics of each action that had a job.
        rescued_jobs: The number of jobs taken back from dead daemons.
        disowned_outcomes: The number of outcomes that were dropped, because the row was gone or had another
            owner.
        lost_leases: How often the lease could not be renewed in time.
    """

    def __init__(self) -> None:
        self.actions: dict[str, ActionMetrics] = {}
        self.rescued_jobs = 0
        self.disowned_outcomes = 0
        self.lost_leases = 0
        self._samples: deque[tuple[float, dict[str, ActionMetrics]]] = deque(
            [(monotonic(), {})], maxlen=SAMPLES
        )

    def count_each(self, transition: str, lines: Iterable[Mapping[str, Any]]) -> None:
        """Count executions that ended in this transition, one a log line.

        Args:
            transition: A key of `ActionMetrics.transitions`.
            lines: Log lines with `job_name`, `waited` and `duration`, the latter two in seconds.
        """
        actions = self.actions
        for line in lines:
            action = actions.get(line["job_name"])
            if action is None:
                action = actions[line["job_name"]] = ActionMetrics()
            action.transitions[transition] += 1
            # Inline rather than by a method of Histogram: this runs for every job.
            waited, ran = line["waited"], line["duration"]
            action.wait_times.buckets[int(waited * 1e6).bit_length()] += 1
            action.wait_times.sum_seconds += waited
            action.run_times.buckets[int(ran * 1e6).bit_length()] += 1
            action.run_times.sum_seconds += ran

    def sample(self) -> None:
        """Keep a copy of the metrics if the last one is SAMPLE_SECONDS old. Call it regularly."""
        if monotonic() >= self._samples[-1][0] + SAMPLE_SECONDS:
            copies = {name: action.copy() for name, action in list(self.actions.items())}
            self._samples.append((monotonic(), copies))

    def recent(self) -> dict[str, Any]:
        """Return the metrics since the oldest sample, as the column of asyncjob.daemon shows them.

        Returns:
            `seconds`: the age of the sample. `actions`: for each action that had a job, the number of
            executions by transition since the start of the daemon, `rate`: executions a second, and `waited`
            and `ran`: the median and the 99th percentile in seconds, null without executions.
        """
        sampled_at, sample = self._samples[0]
        seconds = max(monotonic() - sampled_at, 1e-3)
        actions = {}
        for name, action in list(self.actions.items()):
            earlier = sample.get(name) or ActionMetrics()
            waited = action.wait_times.since(earlier.wait_times)
            ran = action.run_times.since(earlier.run_times)
            actions[name] = action.transitions | {
                "rate": round((action.total - earlier.total) / seconds, 3),
                "waited": [waited.percentile(0.5), waited.percentile(0.99)],
                "ran": [ran.percentile(0.5), ran.percentile(0.99)],
            }
        return {"seconds": round(seconds, 3), "actions": actions}

    @property
    def total(self) -> int:
        """The number of executions that ended."""
        return sum(action.total for action in list(self.actions.values()))

    @property
    def rate(self) -> float:
        """The number of executions a second since the oldest sample."""
        sampled_at, sample = self._samples[0]
        ended = self.total - sum(action.total for action in sample.values())
        return ended / max(monotonic() - sampled_at, 1e-3)

    def sample_as_json(self, hindrances: Mapping[str, str]) -> str:
        """Take a sample, and return the recent metrics as JSON for a heartbeat.

        Args:
            hindrances: What hinders the daemon, by kind; left out if nothing does.
        """
        self.sample()
        return msgspec.json.encode(
            self.recent() | ({"hindrances": hindrances} if hindrances else {})
        ).decode()
