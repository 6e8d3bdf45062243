"""The counters that a daemon keeps of its executions."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncjobd.observability.metrics import counters as module
from asyncjobd.observability.metrics.counters import DaemonMetrics
from asyncjobd.observability.metrics.histogram import Histogram


def line(job_name: str = "a", *, waited: float = 0.0, duration: float = 0.0) -> dict[str, Any]:
    return {"job_name": job_name, "waited": waited, "duration": duration}


def times(seconds: list[float]) -> Histogram:
    metrics = DaemonMetrics()
    metrics.count_each("completed", [line(duration=each) for each in seconds])
    return metrics.actions["a"].run_times


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> "Clock":
    clock = Clock()
    monkeypatch.setattr(module, "monotonic", lambda: clock.now)
    return clock


class Clock:
    now = 1000.0


@given(st.lists(st.floats(1e-5, 1e9), min_size=1, max_size=200), st.sampled_from([0.01, 0.5, 0.99, 1.0]))
def test_percentile_is_within_a_factor_of_two(seconds: list[float], share: float) -> None:
    percentile = times(seconds).percentile(share)
    assert percentile is not None
    exact = next(each for rank, each in enumerate(sorted(seconds), 1) if rank >= share * len(seconds))
    assert exact / 2 <= percentile <= exact * 2


def test_percentile_of_nothing_is_none() -> None:
    assert Histogram().percentile(0.5) is None


def test_executions_are_counted_by_action_and_transition() -> None:
    metrics = DaemonMetrics()
    metrics.count_each(
        "completed", [line("a", waited=0.25, duration=0.5), line("b"), line("a", duration=1.5)]
    )
    metrics.count_each("failed", [line("a")])
    done = metrics.actions["a"]
    assert {transition: count for transition, count in done.transitions.items() if count} == {
        "completed": 2,
        "failed": 1,
    }
    assert (done.total, metrics.actions["b"].total, metrics.total) == (3, 1, 4)
    assert (done.wait_times.sum_seconds, done.run_times.sum_seconds) == (0.25, 2.0)
    assert sum(done.wait_times.buckets) == sum(done.run_times.buckets) == 3


def test_longest_interval_that_a_row_can_have_has_a_bucket() -> None:
    assert times([8000 * 365.25 * 86400]).percentile(1) is not None


def test_rate_is_of_the_last_samples_and_not_since_the_start(clock: Clock) -> None:
    metrics = DaemonMetrics()
    metrics.count_each("completed", [line()] * 1000)
    for _ in range(module.SAMPLES):
        clock.now += 5
        metrics.sample()
        metrics.count_each("completed", [line()] * 20)
    assert metrics.rate == pytest.approx(20 * module.SAMPLES / (5 * (module.SAMPLES - 1)))
    for _ in range(module.SAMPLES):
        clock.now += 5
        metrics.sample()
    assert metrics.rate == 0


def test_rate_before_the_first_sample_is_since_the_start(clock: Clock) -> None:
    metrics = DaemonMetrics()
    metrics.count_each("completed", [line()] * 50)
    clock.now += 10
    assert metrics.rate == 5


def test_heartbeat_covers_recent_samples_only(clock: Clock) -> None:
    metrics = DaemonMetrics()
    metrics.count_each("completed", [line(waited=60, duration=60)] * 100)
    for _ in range(module.SAMPLES):
        clock.now += 5
        metrics.sample()
    metrics.count_each("retried", [line(waited=0.01, duration=0.1)] * 30)
    clock.now += 5
    recent = metrics.recent()
    told = recent["actions"]["a"]
    assert (recent["seconds"], told["rate"], told["completed"], told["retried"]) == (20, 1.5, 100, 30)
    assert all(0.005 <= percentile <= 0.02 for percentile in told["waited"])
    assert all(0.05 <= percentile <= 0.2 for percentile in told["ran"])
    assert json.loads(metrics.sample_as_json({})) == metrics.recent()


def test_action_without_recent_executions_has_no_percentiles(clock: Clock) -> None:
    metrics = DaemonMetrics()
    metrics.count_each("completed", [line()])
    for _ in range(module.SAMPLES):
        clock.now += 5
        metrics.sample()
    told = metrics.recent()["actions"]["a"]
    assert (told["rate"], told["waited"], told["ran"]) == (0, [None, None], [None, None])
