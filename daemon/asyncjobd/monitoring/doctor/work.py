"""Checks of the daemons, of jobs that wait, and of jobs that run."""

from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from asyncjobd.monitoring.doctor.finding import Finding, Row
from asyncjobd.monitoring.limits import told, undoing
from asyncjobd.monitoring.overview import Overview, drains
from asyncjobd.monitoring.units import count, duration
from asyncjobd.monitoring.why.names import guess, not_loaded, paused

OLD_READY_SECONDS = 60.0  # a job of a served action that has waited longer is old
TOO_OLD_READY_SECONDS = 900.0
OLD_PAUSE_SECONDS = 86400.0
OLD_RUNNING_SECONDS = 3600.0
# those that some jobs of an action may have reached while it is not saturated
HIDDEN_LIMITS = ("max_running_per_daemon", "max_running_per_key", "rate_per_key")
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
        row for row in overview.actions
        if row["waits_because"] is None and row["oldest_ready"] is not None and not row["saturated"]
    ]  # fmt: skip
    if not served:
        return [Finding.ok("ready", "none waits for a free slot")]
    row = max(served, key=lambda row: float(row["oldest_ready"]))
    seen = f"the oldest, of {row['name']}, has waited for {duration(row['oldest_ready'])}, one of {count(row['ready'])}"
    if row["oldest_ready"] < OLD_READY_SECONDS:
        return [Finding.ok("ready", seen)]
    level = Finding.problem if row["oldest_ready"] >= TOO_OLD_READY_SECONDS else Finding.warning
    raised = " or ".join(["concurrency", *(limit for limit in HIDDEN_LIMITS if limit in row["limits"])])
    advice = f"see what the slots are used for (asyncjobd status), raise {raised}, add a daemon"
    return [level("ready", seen, advice)]


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
