"""Why a job waits."""

import difflib
import os
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from asyncjobd.client import Client
from asyncjobd.job import Status
from asyncjobd.monitoring.dependencies import MOST_CHILDREN, explain_dependencies
from asyncjobd.monitoring.limits import reached_by
from asyncjobd.monitoring.retries import explain_delay
from asyncjobd.monitoring.run import Run
from asyncjobd.monitoring.times import full_time
from asyncjobd.monitoring.units import duration, one_line, plural

MOST_COUNTED = 1000  # jobs that go before this one
MOST_GUESSES = 3  # names that are offered in place of an unknown one
LEAST_LIKENESS = 0.7  # from 0 to 1; a name less like the asked one is no suggestion
START_DAEMON = "start one: asyncjobd run, or systemctl start asyncjobd"
# the kinds that name_reason returns
NAME_KINDS = frozenset({"unknown", "not loaded", "inactive", "no daemon", "unserved", "paused", "draining"})

Row = Mapping[str, Any]


class Reason(NamedTuple):
    """`kind` stays the same while only numbers in the text change."""

    kind: str
    text: str


async def reason_of(
    client: Client, job_id: int, configured: Collection[str], path: Path | None
) -> Reason | None:
    """Return why a job waits; None where it does not, or is gone.

    `configured`: the job names of the configuration at `path`.
    """
    row = await look_at(client.pool.fetch, job_id)
    return None if row is None else explain(row, configured, path)


async def look_at(run: Run, job_id: int) -> Row | None:
    """Return what `explain` is to explain; None where the job is gone."""
    rows = await run("inspect/explain_job", job_id=job_id, max_counted=MOST_COUNTED)
    if not rows:
        return None
    row: dict[str, Any] = dict(rows[0])
    if row["is_limited"]:
        found = await run("inspect/explain_limits", job_id=job_id, max_counted=MOST_COUNTED)
        row["limits"] = dict(found[0]) if found else None
    if row["due_at"] is None:
        found = await run("inspect/explain_dependencies", job_id=job_id, max_counted=MOST_CHILDREN)
        row["dependencies"] = found[0] if found else None
    return row


def explain(row: Row, configured: Collection[str], path: Path | None) -> Reason | None:
    """Return why the job of a row of `look_at` waits; None where it does not."""
    if row["is_running"] or Status(row["status"]).is_final:
        return None
    name = name_reason(row, configured, path)
    match Status(row["status"]):
        case Status.HOLD:
            return _held(row, name)
        case Status.QUEUED if row["due_at"] is None:
            return Reason("jobs", explain_dependencies(row["dependencies"], row["now"]) + _and(name))
        case Status.QUEUED:
            return _queued(row, name)
    return name or _ready(row)


def name_reason(row: Row, configured: Collection[str], path: Path | None) -> Reason | None:
    """Return why no job of this name is claimed; None where a daemon that is alive does that."""
    name = row["job_name"]
    shown = repr(one_line(name))
    if row["serving"]:
        return _controlled(row)
    if not row["daemons"] and (row["is_known"] or name in configured or not row["known_names"]):
        return Reason("no daemon", f"no daemon is alive: {START_DAEMON}")
    if row["is_known"] and not row["is_active"]:
        return Reason("inactive", f"the action is inactive: asyncjobd action enable {name}")
    if name in configured and not row["is_known"]:
        return Reason("not loaded", not_loaded(name, path, row["other_pids"]))
    if row["is_known"]:
        return Reason(
            "unserved", f"no daemon that serves {shown} is alive: start it, or reload one that is to"
        )
    return Reason(
        "unknown", f"no daemon has ever served {shown}{guess(name, {*row['known_names'], *configured})}"
    )


def _controlled(row: Row) -> Reason | None:
    """Return how somebody keeps the daemons that serve the name of a job from claiming any."""
    if row["paused_for"] is not None:
        return Reason("paused", f"{paused(row, row['now'])}: asyncjobd resume {row['job_name']}")
    if not row["claiming"]:
        names = ", ".join(map(one_line, row["draining"]))
        return Reason(
            "draining", f"every daemon that serves it drains ({names}): asyncjobd drain NAME --undo"
        )
    return None


def paused(row: Row, now: datetime) -> str:
    """Return until when an action is paused, and by whom, from `paused_for` and `paused_by`."""
    by = one_line(row["paused_by"])
    try:
        end = full_time(now + timedelta(seconds=row["paused_for"]), now)
    except OverflowError:  # in so many years, or never
        return f"paused by {by}"
    return f"paused until {end} by {by}"


def not_loaded(name: str, path: Path | None, pids: Collection[int] = ()) -> str:
    """Return what to do for an action that is in the file and in no daemon."""
    local = [pid for pid in pids if os.path.exists(f"/proc/{pid}")]  # noqa: PTH110
    signal = f", or kill -HUP {local[0]}" if len(local) == 1 else ""
    return f"{path} has {one_line(name)!r}, but no daemon has loaded it: systemctl reload asyncjobd{signal}"


def guess(name: str, known: Collection[str]) -> str:
    """Return the known names that are the most like this one, as a question to append; empty where none is."""
    lower = {each.lower(): each for each in sorted(known)}
    close = difflib.get_close_matches(name.lower(), lower, MOST_GUESSES, LEAST_LIKENESS)
    names = " or ".join(repr(one_line(lower[each])) for each in close)
    return f"; did you mean {names}?" if close else ""


def _held(row: Row, name: Reason | None) -> Reason:
    if row["hold_reason"]:
        return Reason("held", f"on Hold: {one_line(row['hold_reason'])}")
    by = f"since {full_time(row['ordered_at'], row['now'])} by {one_line(row['ordered_by'])}"
    return Reason("hold", f"on Hold {by}, until it is released: asyncjobd release {row['id']}" + _and(name))


def _queued(row: Row, name: Reason | None) -> Reason:
    due: datetime = row["due_at"]
    now: datetime = row["now"]
    if due <= now:
        return name or Reason(
            "promotion", f"due since {full_time(due, now)}: a daemon is about to make it ready"
        )
    return Reason("due", f"due {full_time(due, now)}{explain_delay(row)}" + _and(name))


def _and(name: Reason | None) -> str:
    return "" if name is None else f"; then it would wait on: {name.text}"


def _ready(row: Row) -> Reason:
    name = one_line(row["job_name"])
    if row["locked_by"]:
        return Reason("locked", f"its row is locked by {row['locked_by']}")
    if row["reached_limit"] is not None:
        limit = row["reached_limit"]
        return Reason(
            "limit", f"max_running_per_daemon of {name} ({limit}) is reached: asyncjobd limit {name}"
        )
    if row["is_limited"] and row["limits"]:
        if reason := reached_by(row["limits"], name):
            return Reason("limit", f"{reason}; asyncjobd limit {name} shows and changes it")
        if row["limits"]["before_of_key"]:
            jobs = ready_jobs(row["limits"]["before_of_key"])
            return Reason("behind", f"{jobs} of its limit_key go first, and keys take turns{_slots(row)}")
        if row["limits"]["limit_key"] is not None:
            return Reason("turn", f"the turn of its limit_key is about to come{_slots(row)}")
    if row["preferred"]:
        return Reason(
            "behind", f"{ready_jobs(row['preferred'])} of {name} with a better priority go first{_slots(row)}"
        )
    if row["before"]:
        return Reason("behind", f"{ready_jobs(row['before'])} of {name} came before it{_slots(row)}")
    if row["taken"] >= row["slots"]:
        return Reason("slots", _slots(row).removeprefix("; "))
    return Reason("claim", "a daemon is about to take it")


def ready_jobs(number: int) -> str:
    """Return how many jobs are ready, of which at most MOST_COUNTED were counted."""
    return f"{number}+ ready jobs" if number >= MOST_COUNTED else plural(number, "ready job")


def _slots(row: Row) -> str:
    """Return what the slots are used for, where all are in use."""
    if row["taken"] < row["slots"]:
        return ""
    slots = "the one slot" if row["slots"] == 1 else f"all {row['slots']} slots"
    daemons = "the daemon that serves" if row["serving"] == 1 else f"the {row['serving']} daemons that serve"
    others = ", ".join(one_line(each) for each in row["taken_by"])
    longest = duration(row["taken_for"])
    return f"; {slots} of {daemons} it {_run(row['slots'])} other jobs ({others}, the longest for {longest})"


def _run(slots: int) -> str:
    return "runs" if slots == 1 else "run"
