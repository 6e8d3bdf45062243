"""How a job ended, and why it is not tried again."""

from collections.abc import Mapping
from typing import Any

from asyncjobd.job import Status
from asyncjobd.monitoring.units import duration, one_line
from asyncjobd.monitoring.why.reason import Reason, ordered, topic_of
from asyncjobd.result import Outcome

Row = Mapping[str, Any]


def ended(row: Row) -> Reason:
    """Return how the job of a row of explain_job.sql became Completed or Failed."""
    if row["is_ended_by_client"]:
        return Reason("cancelled", f"set to {row['status']} {ordered(row)}", "statuses")
    if row["last_execution_status"] is None:
        return _never_ran(row)
    return _done(row) if row["status"] == Status.COMPLETED else _failed(row)


def _never_ran(row: Row) -> Reason:
    if not row["message"]:
        return Reason("recorded", f"inserted as {row['status']} by {one_line(row['created_by'])}", "")
    return Reason("set aside", one_line(row["message"]), topic_of(row["message"]))


def _done(row: Row) -> Reason:
    took = ""
    if row["started_at"] is not None and row["finished_at"] is not None:
        took = f", in {duration((row['finished_at'] - row['started_at']).total_seconds())}"
    ends = row["is_recursive"] and row["last_execution_status"] == Outcome.COMPLETED
    repetition = "; its handler has ended the repetition" if ends else ""
    return Reason("done", f"done at try {_try(row)}{took}{repetition}", "")


def _failed(row: Row) -> Reason:
    outcome, count = row["last_execution_status"], row["execution_count"]
    if outcome == Outcome.FATAL_ERROR:
        return Reason("fatal", f"try {_try(row)} ended as fatal_error, which is not tried again", "jobs_fail")
    if count < row["max_execution_count"]:
        return Reason("failed", f"try {_try(row)} ended as {outcome}", "jobs_fail")
    used = "its one try is" if count == 1 else f"all {count} tries are"
    return Reason("gave up", f"{used} used up; the last ended as {outcome}", "jobs_fail")


def _try(row: Row) -> str:
    return f"{row['execution_count']} of {row['max_execution_count']}"
