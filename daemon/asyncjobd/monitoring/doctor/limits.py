"""Checks of jobs that limits keep from starting: of an action, and of the keys of one."""

import shlex
from collections.abc import Sequence
from itertools import groupby

from asyncjobd.monitoring.doctor.finding import Finding, Row
from asyncjobd.monitoring.limits import reached
from asyncjobd.monitoring.overview import Overview
from asyncjobd.monitoring.units import count, duration, one_line
from asyncjobd.monitoring.why.ready import ready_jobs

OLD_READY_SECONDS = 60.0  # a job that a limit has kept from starting for longer is told
TOPIC = "limit_is_reached"


def saturated(overview: Overview) -> list[Finding]:
    """Return a finding for each action that has reached a limit while jobs of it have waited for long."""
    found = []
    for row in overview.actions:
        if (
            row["saturated"]
            and row["waits_because"] is None
            and (row["oldest_ready"] or 0) >= OLD_READY_SECONDS
        ):
            seen = (
                f"{row['name']}: {reached(row)}; of {count(row['ready'])} ready the oldest has waited for "
                f"{duration(row['oldest_ready'])}{_longest(row['name'], overview.running)}"
            )
            advice = f"wait, or see and raise what it has: asyncjobd limit {shlex.quote(row['name'])}"
            found.append(Finding.warning("limits", seen, advice, topic=TOPIC))
    return found


def _longest(name: str, running: Sequence[Row]) -> str:
    """Return which job of an action has run for the longest, of rows of list_running_jobs.sql."""
    longest = next((row for row in running if row["job_name"] == name), None)
    if longest is None:
        return ""
    return f", and job {longest['id']} has run for the longest, for {duration(longest['running_for'])}"


def keys(rows: Sequence[Row]) -> list[Finding]:
    """Return findings for each action with limits per key, of the rows of list_waiting_keys.sql: the keys that have
    waited for the longest, and the rows that have none."""
    found = []
    for name, group in groupby(rows, key=lambda row: str(row["name"])):
        waiting = list(group)
        if keyed := [row for row in waiting if row["limit_key"] is not None]:
            found.append(_keyed(name, keyed))
        found += [_keyless(name, row) for row in waiting if row["limit_key"] is None]
    return found


def _keyed(name: str, rows: Sequence[Row]) -> Finding:
    told = ", ".join(
        f"{one_line(repr(row['limit_key']))} for {duration(row['waits'])} ({ready_jobs(row['ready'])})"
        for row in rows
    )
    seen = f"{name}: the keys that have waited for the longest are {told}"
    if rows[0]["waits"] < OLD_READY_SECONDS:
        return Finding.ok("limits", seen)
    advice = f"keys take turns; its limits: asyncjobd limit {shlex.quote(name)}"
    return Finding.warning("limits", seen, advice, topic=TOPIC)


def _keyless(name: str, row: Row) -> Finding:
    seen = f"{name} has limits per key, and {ready_jobs(row['ready'])} without a limit_key"
    advice = "they count for no key: set it where they are inserted, or by a trigger (asyncjobd help limit_actions)"
    return Finding.warning("limits", seen, advice, topic=TOPIC)
