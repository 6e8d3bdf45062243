"""Checks of schedules: those that rest, whose jobs are refused, whose daemon is gone, and whose times pass in vain."""

import shlex
from collections.abc import Sequence

from asyncjobd.monitoring.doctor.finding import Finding, Row
from asyncjobd.monitoring.schedules import LATE_SECONDS
from asyncjobd.monitoring.units import duration, one_line, plural

MOST_TOLD = 5  # schedules that are late
TOPIC = "schedule_makes_no_job"


def unread(rows: Sequence[Row]) -> list[Finding]:
    """Return a finding for each schedule that has a problem, of the rows of list_schedules.sql."""
    found = []
    for row in rows:
        if row["problem"] is None:
            continue
        name, seen = one_line(row["name"]), one_line(row["problem"])
        if row["next_at"] is None:
            advice = f"correct its cron or time_zone: asyncjobd schedule show {shlex.quote(name)}"
            found.append(
                Finding.problem("schedules", f"{name} rests, and makes no jobs: {seen}", advice, topic=TOPIC)
            )
        else:
            advice = f"correct what refuses it, then: asyncjobd schedule run {shlex.quote(name)}"
            found.append(
                Finding.problem(
                    "schedules", f"{name} made no job at its last time: {seen}", advice, topic=TOPIC
                )
            )
    return found


def left_behind(rows: Sequence[Row]) -> list[Finding]:
    """Return a finding for each schedule of a configuration whose daemon is gone, which no file takes away any more."""
    found = []
    for row in rows:
        if row["configured_by"] is None or row["has_its_daemon"]:
            continue
        if row["paused_for"] is not None or row["next_at"] is None:  # it makes no jobs
            continue
        name, daemon = one_line(row["name"]), one_line(row["configured_by"])
        seen = f"{name} is in the configuration of {daemon}, a daemon that is gone, and goes on making jobs"
        advice = f"start that daemon again, or: asyncjobd schedule pause {shlex.quote(name)}"
        found.append(Finding.warning("schedules", seen, advice, topic=TOPIC))
    return found


def late(rows: Sequence[Row]) -> list[Finding]:
    """Return findings for the schedules whose time has come, and that no daemon has moved on."""
    lagging = [row for row in rows if (row["late_for"] or 0) >= LATE_SECONDS]
    if not lagging:
        return [Finding.ok("schedules", f"{plural(len(rows), 'schedule')}, none is late")]
    lagging.sort(key=lambda row: float(row["late_for"]), reverse=True)
    named = ", ".join(
        f"{one_line(row['name'])} for {duration(row['late_for'])}" for row in lagging[:MOST_TOLD]
    )
    more = f" and {len(lagging) - MOST_TOLD} more" if len(lagging) > MOST_TOLD else ""
    advice = "start a daemon (any fires all schedules), or see whether somebody has locked these rows"
    return [Finding.problem("schedules", f"late: {named}{more}", advice, topic=TOPIC)]
