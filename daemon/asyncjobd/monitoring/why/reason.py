"""A reason: what `why` answers."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from asyncjobd.monitoring.times import full_time
from asyncjobd.monitoring.units import one_line

NEEDED = "which it waited for"  # as jobs/resolve_waiting_jobs.sql says it


class Reason(NamedTuple):
    """Why a job is as it is.

    Attributes:
        kind: Stays the same while only numbers in the sentence change.
        sentence: The reason, and what to do where something is to be done.
        topic: The page of `asyncjobd help` that says more; empty where nothing is to be done.
    """

    kind: str
    sentence: str
    topic: str


def topic_of(told: str) -> str:
    """Return the page about a job that went on Hold, or ended, for a reason that a daemon has told."""
    return "jobs_wait_for_jobs" if NEEDED in told else "row_refused"


def ordered(row: Mapping[str, Any]) -> str:
    """Return when and by whom the status of a job was written, from a row of explain_job.sql."""
    return f"{full_time(row['ordered_at'], row['now'])} by {one_line(row['ordered_by'])}"
