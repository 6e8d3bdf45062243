"""What has ended over a time, as charts, and in numbers."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from asyncjobd.monitoring.history import History, read_history
from asyncjobd.monitoring.overview import Row
from asyncjobd.monitoring.units import duration
from asyncjobd.web.page import Asked, Unclear

SPANS = {  # how far back a history goes
    "1h": timedelta(hours=1), "6h": timedelta(hours=6), "24h": timedelta(days=1), "3d": timedelta(days=3),
    "30d": timedelta(days=30),
}  # fmt: skip


class Chart(msgspec.Struct):
    """A number for each step; `most` says the greatest in words."""

    title: str
    numbers: Sequence[float]
    most: str
    is_bad: bool = False


class Charts(msgspec.Struct):
    """The charts of a history, whose `steps` have `step_seconds` each; both are empty where nothing is told of it."""

    span: str
    since: datetime
    step_seconds: float
    charts: list[Chart]
    steps: list[Row]


async def read_charts(asked: Asked, job_name: str | None = None) -> Charts:
    """Return the charts of the time that is asked for, of a name or of all. Raise Unclear for an unknown span."""
    span = asked.query.get("span", "1h")
    if span not in SPANS:
        raise Unclear(f"span={span}: expected one of {', '.join(SPANS)}")
    history = await read_history(asked.fetch, asked.now - SPANS[span], asked.now, job_name)
    return charts_of(history, span, job_name)


def charts_of(history: History, span: str, job_name: str | None = None) -> Charts:
    """Return the charts of a history, of a name or of all together."""
    steps = [step.as_dict() for step in history.steps(job_name)] if history.names else []
    seconds = history.length.total_seconds()
    charts = [
        *(_counts(steps, name, seconds) for name in ("ended", "failed")),
        *(_times(steps, name) for name in ("waited", "ran")),
    ]
    return Charts(span, history.since, seconds, charts if steps else [], steps)


def _counts(steps: list[Row], name: str, seconds: float) -> Chart:
    numbers = [step[name] or 0 for step in steps]
    return Chart(
        name, numbers, f"at most {max(numbers, default=0):,} in {duration(seconds)}", name == "failed"
    )


def _times(steps: list[Row], name: str) -> Chart:
    """Return the 99th percentiles of a time."""
    numbers = [step[name][1] or 0.0 if step[name] else 0.0 for step in steps]
    return Chart(f"{name} p99", numbers, f"at most {duration(max(numbers, default=0.0)) or '0s'}")
