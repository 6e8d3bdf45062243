"""What a running job does, and what becomes of it."""

from collections.abc import Mapping
from typing import Any

from asyncjobd.monitoring.overview import is_silent
from asyncjobd.monitoring.units import duration, one_line
from asyncjobd.monitoring.why.reason import Reason, ordered

Row = Mapping[str, Any]


def running(row: Row) -> Reason:
    """Return what the running job of a row of explain_job.sql does, and what keeps it from ending."""
    if row["daemon"] is None:
        said = "its daemon is gone: another one takes the job back within its lease"
        return Reason("lost", said, "daemon_is_silent")
    daemon = one_line(row["daemon"])
    if is_silent(row):
        said = (
            f"its daemon, {daemon}, is silent for {duration(row['silent_for'])}, longer than its lease of "
            f"{duration(row['lease_seconds'])}: "
        )
        other = "another one takes the job back" if row["daemons"] else "start one, which takes the job back"
        return Reason("silent", said + other, "daemon_is_silent")
    if row["blocked"]:
        return Reason(
            "blocked", f"runs on {daemon}, whose {one_line(row['blocked'])}", "event_loop_is_blocked"
        )
    if row["stop_requested"]:
        said = f"was told to stop {ordered(row)}, and its handler on {daemon} has not ended yet"
        return Reason("stopping", said, "job_does_not_end")
    tries = f"at try {row['execution_count']} of {row['max_execution_count']}"
    return Reason(
        "running",
        f"runs on {daemon}, for {_runs_for(row)}, {tries}{_progress(row)}{_timeout(row)}",
        "job_does_not_end",
    )


def _runs_for(row: Row) -> str:
    return duration((row["now"] - row["started_at"]).total_seconds())


def _progress(row: Row) -> str:
    if row["progress"] is None:
        return ""
    said = one_line(row["progress_message"])
    return f"; {row['progress']:.0%} done{f', {said}' if said else ''}"


def _timeout(row: Row) -> str:
    if row["timeout"] is None:
        return ""
    left = (row["started_at"] + row["timeout"] - row["now"]).total_seconds()
    return f"; its timeout ends it in {duration(left) or '0s'}"
