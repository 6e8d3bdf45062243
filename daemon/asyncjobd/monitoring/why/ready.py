"""Why a ready job of a name that daemons claim has not started yet: what goes first, and what the slots do."""

from collections.abc import Mapping
from typing import Any

from asyncjobd.monitoring.limits import reached_by
from asyncjobd.monitoring.units import duration, one_line, plural, rate
from asyncjobd.monitoring.why.reason import Reason

MOST_COUNTED = 1000  # jobs that go before this one

Row = Mapping[str, Any]


def ready(row: Row) -> Reason:
    """Return why the ready job of a row of explain_job.sql has not started yet."""
    if row["locked_by"]:
        return Reason("locked", f"its row is locked by {one_line(row['locked_by'])}", "row_is_locked")
    return _limited(row) or _behind(row)


def _limited(row: Row) -> Reason | None:
    name, limits = one_line(row["job_name"]), row["limits"] if row["is_limited"] else None
    if row["reached_limit"] is not None:
        most = row["reached_limit"]
        said = f"max_running_per_daemon of {name} ({most}) is reached: asyncjobd limit {name}"
        return Reason("limit", said, "limit_is_reached")
    if limits is None:
        return None
    if reason := reached_by(limits, name):
        return Reason("limit", f"{reason}; asyncjobd limit {name} shows and changes it", "limit_is_reached")
    if limits["before_of_key"]:
        jobs = ready_jobs(limits["before_of_key"])
        said = f"{jobs} of its limit_key go first, and keys take turns{_slots(row)}"
        return Reason("behind", said, "limit_is_reached")
    if limits["limit_key"] is not None:
        return Reason("turn", f"the turn of its limit_key is about to come{_slots(row)}", "limit_is_reached")
    return None


def _behind(row: Row) -> Reason:
    name, topic = one_line(row["job_name"]), "job_does_not_start"
    if row["preferred"]:
        jobs = f"{ready_jobs(row['preferred'])} of {name} with a better priority go first"
        return Reason("behind", jobs + _soon(row) + _slots(row), topic)
    if row["before"]:
        jobs = f"{ready_jobs(row['before'])} of {name} came before it"
        return Reason("behind", jobs + _soon(row) + _slots(row), topic)
    if row["taken"] >= row["slots"]:
        return Reason("slots", _slots(row).removeprefix("; "), topic)
    return Reason("claim", "a daemon is about to take it", topic)


def ready_jobs(number: int) -> str:
    """Return how many jobs are ready, of which at most MOST_COUNTED were counted."""
    return f"{number}+ ready jobs" if number >= MOST_COUNTED else plural(number, "ready job")


def _soon(row: Row) -> str:
    """Return when its turn comes at the present rate; empty where nothing ends or not all were counted."""
    before = max(row["before"], row["preferred"])
    if not row["rate"] or before >= MOST_COUNTED:
        return ""
    return f", at {rate(row['rate'])} for about {duration(before / row['rate'])}"


def _slots(row: Row) -> str:
    """Return what the slots are used for, where all are in use."""
    if row["taken"] < row["slots"]:
        return ""
    slots = "the one slot" if row["slots"] == 1 else f"all {row['slots']} slots"
    daemons = "the daemon that serves" if row["serving"] == 1 else f"the {row['serving']} daemons that serve"
    runs = "runs" if row["slots"] == 1 else "run"
    others = ", ".join(one_line(each) for each in row["taken_by"])
    return f"; {slots} of {daemons} it {runs} other jobs ({others}, the longest for {duration(row['taken_for'])})"
