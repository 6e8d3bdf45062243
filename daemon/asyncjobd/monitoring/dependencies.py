"""Which other jobs a job waits for, in words."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from asyncjobd.job import Job, Status
from asyncjobd.monitoring.states import state_in_list
from asyncjobd.monitoring.times import full_time
from asyncjobd.monitoring.units import one_line

MOST_CHILDREN = 100_000  # the last ones, among which the open ones are counted


def awaited(job: Job) -> str:
    """Return what a job is waiting for, for a column; empty where it waits for no other job."""
    if job.status is not Status.QUEUED or job.waits_on is None:
        return ""
    return f"after job {job.waits_on}" if job.waits_on else "after other jobs"


def explain_dependencies(row: Mapping[str, Any] | None, now: datetime) -> str:
    """Return the jobs that the job of a row of explain_dependencies.sql waits for; None: it is gone since."""
    if row is None or row["id"] is None:
        return "waits for other jobs: a daemon is about to look at them"
    more = row["needed"] - (not row["is_child"])
    needed = f" and for {more:,} more that it needs" if more > 0 else ""
    children = ""
    if row["children"]:
        at_least = "+" if row["all_children"] >= MOST_CHILDREN else ""
        children = f"; its children: {row['children']:,} of {row['all_children']:,}{at_least} left"
    return f"waits for job {row['id']} ({one_line(row['job_name'])}, {_state(row, now)}){needed}{children}"


def _state(row: Mapping[str, Any], now: datetime) -> str:
    status = Status(row["status"])
    state = state_in_list(row)
    if status is Status.QUEUED and row["is_waiting"]:
        return "which waits for other jobs"
    if row["since"] is None:
        return state
    return f"{state}, {'due' if state == Status.QUEUED else 'since'} {full_time(row['since'], now)}"
