"""Why no daemon claims the jobs of a name, in words."""

import difflib
import os
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from asyncjobd.monitoring.times import full_time
from asyncjobd.monitoring.units import one_line, quoted
from asyncjobd.monitoring.why.reason import Reason

MOST_GUESSES = 3  # names that are offered in place of an unknown one
LEAST_LIKENESS = 0.7  # from 0 to 1; a name less like the asked one is no suggestion
START_DAEMON = "start one: asyncjobd run, or systemctl start asyncjobd"
# the kinds that name_reason returns
NAME_KINDS = frozenset({"unknown", "not loaded", "inactive", "no daemon", "unserved", "paused", "draining"})

Row = Mapping[str, Any]


def name_reason(row: Row, configured: Collection[str], path: Path | None) -> Reason | None:
    """Return why no job of the name in a row of explain_job.sql is claimed; None where a daemon does that.

    `configured`: the job names of the configuration at `path`.
    """
    name = row["job_name"]
    shown = quoted(name)
    topic = "nobody_serves_it"
    if row["serving"]:
        return _controlled(row)
    if not row["daemons"] and (row["is_known"] or name in configured or not row["known_names"]):
        return Reason("no daemon", f"no daemon is alive: {START_DAEMON}", "no_daemon")
    if row["is_known"] and not row["is_active"]:
        said = f"the action is inactive: asyncjobd action enable {name}"
        return Reason("inactive", said, "paused_or_draining")
    if name in configured and not row["is_known"]:
        return Reason("not loaded", not_loaded(name, path, row["other_pids"]), "change_has_no_effect")
    if row["is_known"]:
        said = f"no daemon that serves {shown} is alive: start it, or reload one that is to"
        return Reason("unserved", said, topic)
    said = f"no daemon has ever served {shown}{guess(name, {*row['known_names'], *configured})}"
    return Reason("unknown", said, topic)


def _controlled(row: Row) -> Reason | None:
    """Return how somebody keeps the daemons that serve the name of a job from claiming any."""
    if row["paused_for"] is not None:
        said = f"{paused(row, row['now'])}: asyncjobd resume {row['job_name']}"
        return Reason("paused", said, "paused_or_draining")
    if not row["claiming"]:
        names = ", ".join(map(one_line, row["draining"]))
        said = f"every daemon that serves it drains ({names}): asyncjobd drain NAME --undo"
        return Reason("draining", said, "paused_or_draining")
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
    return f"{path} has {quoted(name)}, but no daemon has loaded it: systemctl reload asyncjobd{signal}"


def guess(name: str, known: Collection[str]) -> str:
    """Return the known names that are the most like this one, as a question to append; empty where none is."""
    lower = {each.lower(): each for each in sorted(known)}
    close = difflib.get_close_matches(name.lower(), lower, MOST_GUESSES, LEAST_LIKENESS)
    names = " or ".join(quoted(lower[each]) for each in close)
    return f"; did you mean {names}?" if close else ""
