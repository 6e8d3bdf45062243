"""What is put together of many minutes, names and daemons is what one look at all of it would have counted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncjobd.monitoring.history import MOST_STEPS, TRANSITIONS, History, beginning, length_for, merge
from asyncjobd.observability.metrics.counters import ActionMetrics, DaemonMetrics
from asyncjobd.observability.metrics.histogram import Histogram

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

seconds = st.floats(0, 1e7)
execution = st.tuples(st.sampled_from(TRANSITIONS), seconds, seconds)
batches = st.lists(st.lists(execution, max_size=20), max_size=6)


def counted(
    executions: list[tuple[str, float, float]], metrics: DaemonMetrics | None = None
) -> ActionMetrics:
    metrics = metrics or DaemonMetrics()
    for transition, waited, ran in executions:
        metrics.count_each(transition, [{"job_name": "a", "waited": waited, "duration": ran}])
    return metrics.actions.get("a") or ActionMetrics()


def row(minute: int, ended: ActionMetrics | None = None, job_name: str = "a", **queue: Any) -> dict[str, Any]:
    ended = ended or ActionMetrics()
    return {
        "began_at": NOON + minute * MINUTE, "job_name": job_name, **ended.transitions,
        "waited": ended.wait_times.number, "ran": ended.run_times.number,
        "ready": None, "queued": None, "held": None, "oldest_ready": None, **queue,
    }  # fmt: skip


@given(batches)
def test_merged_rows_are_the_counts_of_all_executions(parts: list[list[Any]]) -> None:
    merged = merge(row(minute, counted(part)) for minute, part in enumerate(parts))
    whole = counted([each for part in parts for each in part])
    if merged is None:
        assert parts == []
        return
    assert merged.transitions == whole.transitions
    assert Histogram.of_number(merged.waited).buckets == whole.wait_times.buckets
    assert Histogram.of_number(merged.ran).buckets == whole.run_times.buckets
    assert merged.as_dict(60)["ran"] == (
        [whole.run_times.percentile(fraction) for fraction in (0.5, 0.99)] if whole.total else None
    )


@given(st.lists(execution, min_size=1, max_size=50), st.sampled_from([(0, 0.5), (1, 0.99)]))
def test_percentile_is_that_of_the_values_to_a_factor_of_two(
    executions: list[Any], which: tuple[int, float]
) -> None:
    place, fraction = which
    merged = merge(row(minute, counted([each])) for minute, each in enumerate(executions))
    assert merged is not None
    found = merged.as_dict(60)["ran"][place]
    values = sorted(ran for _, _, ran in executions)
    true = next(value for rank, value in enumerate(values, 1) if rank >= fraction * len(values))
    assert found is not None
    assert true / 2 - 1e-6 <= found <= 2 * true + 1e-6


@given(batches)
def test_differences_of_a_daemon_add_up_to_what_it_has_counted(parts: list[list[Any]]) -> None:
    metrics, before, rows = DaemonMetrics(), ActionMetrics(), []
    for minute, part in enumerate(parts):
        now = counted(part, metrics).copy()
        rows.append(row(minute, now.since(before)))
        before = now
    merged = merge(rows)
    assert merged is None or (merged.transitions, merged.ran) == (
        before.transitions,
        before.run_times.number,
    )


@given(st.lists(st.integers(0, 10**11), min_size=64, max_size=64))
def test_histogram_is_the_same_after_it_was_a_number(buckets: list[int]) -> None:
    assert Histogram.of_number(Histogram(buckets).number).buckets == buckets


def test_queue_has_the_most_of_each_name() -> None:
    rows = [
        row(0, job_name="a", ready=5, queued=1, held=0, oldest_ready=2.0),
        row(0, job_name="b", ready=2, queued=0, held=0, oldest_ready=7.0),
        row(1, job_name="a", ready=6, queued=0, held=0, oldest_ready=1.0),
    ]
    history = History(rows, NOON, NOON + 2 * MINUTE)
    together, alone = history.figures(), history.figures("a")
    assert (together.queue, together.oldest_ready) == ({"ready": 8, "queued": 1, "held": 0}, 7.0)
    assert (alone.queue, alone.oldest_ready) == ({"ready": 6, "queued": 1, "held": 0}, 2.0)


def test_gap_stays_a_gap() -> None:
    ended = counted([("completed", 0.1, 0.2)])
    history = History([row(0, ended), row(3, ended), row(3, job_name="b")], NOON, NOON + 5 * MINUTE)
    assert history.ended("a") == [1, None, None, 1, None]
    assert history.ended("b") == [None, None, None, 0, None]
    assert [step.figures is None for step in history.steps()] == [False, True, True, False, True]
    gap = history.steps()[1].as_dict()
    assert set(gap.values()) == {NOON + MINUTE, None}


def test_last_step_counts_as_long_as_it_is() -> None:
    ended = counted([("completed", 0.1, 0.2)] * 30)
    history = History([row(59, ended), row(60, ended)], NOON, NOON + 60.5 * MINUTE, timedelta(hours=1))
    assert [step.as_dict()["rate"] for step in history.steps()] == [30 / 3600, 1.0]


@pytest.mark.parametrize(
    ("span", "length", "number"),
    [("40 min", "1 min", 40), ("1 h", "2 min", 30), ("24 h", "1 h", 24), ("3 d", "2 h", 36), ("30 d", "1 d", 30)],
)  # fmt: skip
def test_steps_are_as_short_as_there_are_few(span: str, length: str, number: int) -> None:
    units = {"min": MINUTE, "h": timedelta(hours=1), "d": timedelta(days=1)}

    def of(text: str) -> timedelta:
        return int(text.split()[0]) * units[text.split()[1]]

    midnight = NOON.replace(hour=0)
    history = History([], midnight, midnight + of(span))
    assert (history.length, len(history.steps())) == (of(length), number)


@given(st.timedeltas(timedelta(-9999), timedelta(9999)), st.timedeltas(timedelta(0), timedelta(5000)))
def test_history_covers_its_time_in_few_steps(after_noon: timedelta, span: timedelta) -> None:
    since = NOON + after_noon
    history = History([], since, since + span)
    steps = history.steps()
    assert len(steps) <= MOST_STEPS + 1
    assert history.since == beginning(since, length_for(span)) <= since
    assert steps[-1].began_at + history.length >= history.until
    assert sum(step.seconds for step in steps) == pytest.approx(history.seconds)
