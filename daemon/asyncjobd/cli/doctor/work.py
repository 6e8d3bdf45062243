"""Checks of the daemons, of jobs that wait, and of jobs that run."""

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

from asyncjobd.cli.doctor.finding import Finding, Row
from asyncjobd.cli.limits import reached, told, undoing
from asyncjobd.cli.overview import Overview, drains
from asyncjobd.cli.units import count, duration, one_line
from asyncjobd.cli.waiting import guess, not_loaded, paused

OLD_READY_SECONDS = 60.0  # a job of a served action that has waited longer is old
TOO_OLD_READY_SECONDS = 900.0
OLD_PAUSE_SECONDS = 86400.0
OLD_RUNNING_SECONDS = 3600.0
START = "start a daemon that has this action"


def daemons(overview: Overview) -> list[Finding]:
    """Return a finding for each daemon: alive, cut off or silent."""
    found = [_daemon(row) for row in overview.daemons]
    if drains(overview.daemons):
        found.append(
            Finding.problem("daemons", "every one drains, and claims nothing", "asyncjobd drain NAME --undo")
        )
    return found or [
        Finding.problem("daemons", "there is none", "start one: asyncjobd run, or systemctl start asyncjobd")
    ]


def _daemon(row: Row) -> Finding:
    seen = (
        f"{row['name']} on {row['host']}, pid {row['pid']}, version {row['version']}: {row['running']} of "
        f"{row['concurrency']} slots in use, last heard of {duration(row['silent_for'])} ago"
        f"{', draining' if row['is_draining'] else ''}"
    )
    if row["silent_for"] <= row["lease_seconds"] and row["away"]:
        advice = "see its dsn, its password and the server's log: it goes on with the sessions it has, and tries again"
        return Finding.problem("daemons", f"{seen}; it has had no new session {row['away']}", advice)
    if row["silent_for"] <= row["lease_seconds"]:
        return Finding.ok("daemons", seen)
    advice = (
        f"see on {row['host']} whether it lives (journalctl -u asyncjobd); "
        "its jobs wait until a daemon takes them back"
    )
    return Finding.problem("daemons", f"{seen}, and its lease is {duration(row['lease_seconds'])}", advice)


def unserved(overview: Overview, configured: Collection[str] = (), path: Path | None = None) -> list[Finding]:
    """Return a finding for each name whose jobs wait for a daemon. `path`: the configuration that has `configured`."""
    found = []
    for row in overview.actions:
        if row["waits_because"] is None or row["paused_until"] is not None:
            continue
        seen = f"{row['name']}: {_jobs(row)}, {row['waits_because']}"
        if row["is_active"] is False:
            advice = f"asyncjobd action enable {row['name']}, or cancel them"
            found.append(Finding.warning("unserved", seen, advice))
        elif row["handler"]:
            found.append(Finding.problem("unserved", seen, START))
        elif row["name"] in configured and overview.daemons:
            found.append(Finding.problem("unserved", seen, not_loaded(row["name"], path)))
        else:
            known = [each["name"] for each in overview.actions if each["handler"]]
            seen += guess(row["name"], {*known, *configured})
            found.append(Finding.problem("unserved", seen, f"correct the name, or {START}"))
    return found or [Finding.ok("unserved", "none: every job that waits has a daemon that serves it")]


def controls(overview: Overview) -> list[Finding]:
    """Return a finding for each action that is paused, or whose limit is not the configuration's."""
    found = []
    for row in overview.actions:
        name = row["name"]
        if row["paused_until"] is not None:
            since = duration(row["paused_since"])
            seen = f"{name}: {paused(row, datetime.now().astimezone())}, for {since} so far"
            is_old = (row["paused_since"] or 0) > OLD_PAUSE_SECONDS
            advice = f"asyncjobd resume {name}"
            found.append(Finding.warning("paused", seen, advice) if is_old else Finding.ok("paused", seen))
        if changed := told(row):
            advice = f"write it into the configuration, or: {undoing(row)}"
            found.append(Finding.warning("limits", f"{name}: {changed}", advice))
    return found


def _jobs(row: Row) -> str:
    return ", ".join(f"{count(row[state])} {state}" for state in ("queued", "ready", "held") if row[state])


def ready(overview: Overview) -> list[Finding]:
    """Return a finding for the oldest job that only waits for a free slot."""
    served = [
        row for row in overview.actions if row["waits_because"] is None and row["oldest_ready"] is not None
    ]
    if not served:
        return [Finding.ok("ready", "none waits for a free slot")]
    row = max(served, key=lambda row: float(row["oldest_ready"]))
    seen = f"the oldest, of {row['name']}, has waited for {duration(row['oldest_ready'])}, one of {count(row['ready'])}"
    if row["oldest_ready"] < OLD_READY_SECONDS:
        return [Finding.ok("ready", seen)]
    level = Finding.problem if row["oldest_ready"] >= TOO_OLD_READY_SECONDS else Finding.warning
    limit = " or max_running_per_daemon" if "max_running_per_daemon" in row["limits"] else ""
    advice = f"see what the slots are used for (asyncjobd status), raise concurrency{limit}, add a daemon"
    if reason := reached(row):
        seen += f"; {reason}"
        advice = f"see what runs (asyncjobd status), or raise the limit: asyncjobd limit {row['name']}"
    return [level("ready", seen, advice)]


def keys(rows: Sequence[Row]) -> list[Finding]:
    """Return a finding for the key that has waited for the longest, of rows of list_waiting_keys.sql, and for rows
    without a key."""
    found = []
    if keyed := [row for row in rows if row["limit_key"] is not None]:
        row = keyed[0]
        seen = (
            f"of the keys of {row['name']}, {one_line(repr(row['limit_key']))} has waited for the longest: "
            f"{duration(row['waits'])}, with {count(row['ready'])} ready"
        )
        is_old = row["waits"] >= OLD_READY_SECONDS
        advice = f"asyncjobd limit {row['name']} shows its limits; keys take turns"
        found.append(Finding.warning("limits", seen, advice) if is_old else Finding.ok("limits", seen))
    for row in (row for row in rows if row["limit_key"] is None):
        seen = f"{row['name']} has limits per key, and {count(row['ready'])} ready jobs without a limit_key"
        advice = "they count for no key: set it where they are inserted, or by a trigger (asyncjobd help limit_actions)"
        found.append(Finding.warning("limits", seen, advice))
    return found


def running(overview: Overview) -> list[Finding]:
    """Return a finding for the job that has run for the longest."""
    if not overview.running:
        return [Finding.ok("running", "none")]
    row = overview.running[0]
    seen = f"the oldest is job {row['id']} of {row['job_name']}, for {duration(row['running_for'])}"
    if row["running_for"] < OLD_RUNNING_SECONDS:
        return [Finding.ok("running", seen)]
    advice = f"see asyncjobd show {row['id']}; a timeout of the action ends what hangs"
    return [Finding.warning("running", seen, advice)]
