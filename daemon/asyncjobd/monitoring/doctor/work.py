"""Checks of the daemons, of jobs that wait, and of jobs that run."""

from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path

from asyncjobd import __version__
from asyncjobd.monitoring.doctor.finding import Finding, Row
from asyncjobd.monitoring.health import GRAVE_HINDRANCES, hindrance_topic
from asyncjobd.monitoring.limits import told, undoing
from asyncjobd.monitoring.overview import Overview, drains, is_silent
from asyncjobd.monitoring.times import full_time
from asyncjobd.monitoring.units import count, duration
from asyncjobd.monitoring.why.names import guess, not_loaded, paused

OLD_READY_SECONDS = 60.0  # a job of a served action that has waited longer is old
TOO_OLD_READY_SECONDS = 900.0
OLD_PAUSE_SECONDS = 86400.0
OLD_RUNNING_SECONDS = 3600.0
# those that some jobs of an action may have reached while it is not saturated
HIDDEN_LIMITS = ("max_running_per_daemon", "max_running_per_key", "rate_per_key")
START = "start a daemon that has this action"
UNSERVED = "nobody_serves_it"  # a topic
ADVICE = {  # by what hinders a daemon: engine/fleet/hindrances.py
    "away": "see its dsn, its password and the server's log: it goes on with the sessions it has, and tries again",
    "blocked": "let that handler be a plain function, which runs in a thread, or see `asyncjobd help isolation`",
    "memory": 'give the handler that takes it isolation = "process" and a memory_limit below that of the unit, lower '
    "[daemon] concurrency, or raise MemoryMax of the unit",
    "refused": "correct the file (asyncjobd config check), and reload: systemctl reload asyncjobd",
    "threads": "raise [daemon] threads, or see what its jobs wait for: asyncjobd status",
    "transactions": "raise [daemon] transactions, or let handlers write in shorter transactions",
}  # fmt: skip


def daemons(overview: Overview) -> list[Finding]:
    """Return the findings of each daemon: alive, hindered or silent."""
    found = [finding for row in overview.daemons for finding in _daemon(row)]
    if drains(overview.daemons):
        seen = "every one drains, and claims nothing"
        found.append(
            Finding.problem("daemons", seen, "asyncjobd drain NAME --undo", topic="paused_or_draining")
        )
    advice = "start one: asyncjobd run, or systemctl start asyncjobd"
    return found or [Finding.problem("daemons", "there is none", advice, topic="no_daemon")]


def _daemon(row: Row) -> Iterator[Finding]:
    seen = (
        f"{row['name']} on {row['host']}, pid {row['pid']}, version {row['version']}: {row['running']} of "
        f"{row['concurrency']} slots in use, last heard of {duration(row['silent_for'])} ago"
        f"{', draining' if row['is_draining'] else ''}"
    )
    if is_silent(row):
        advice = (
            f"see on {row['host']} whether it lives (journalctl -u asyncjobd); "
            "its jobs wait until a daemon takes them back"
        )
        seen = f"{seen}, and its lease is {duration(row['lease_seconds'])}"
        yield Finding.problem("daemons", seen, advice, topic="daemon_is_silent")
    elif not row["hindrances"]:
        yield Finding.ok("daemons", seen)
    for kind, said in row["hindrances"].items():
        level = Finding.problem if kind in GRAVE_HINDRANCES else Finding.warning
        advice = ADVICE.get(kind, "see its log: journalctl -u asyncjobd")
        yield level("daemons", f"{row['name']}: {said}", advice, topic=hindrance_topic(kind))


def unserved(overview: Overview, configured: Collection[str] = (), path: Path | None = None) -> list[Finding]:
    """Return a finding for each name whose jobs wait for a daemon. `path`: the configuration that has `configured`."""
    found = []
    for row in overview.actions:
        if row["waits_because"] is None or row["paused_until"] is not None:
            continue
        seen = f"{row['name']}: {_jobs(row)}, {row['waits_because']}"
        if row["is_active"] is False:
            advice = f"asyncjobd action enable {row['name']}, or cancel them"
            found.append(Finding.warning("unserved", seen, advice, topic="paused_or_draining"))
        elif row["handler"]:
            found.append(Finding.problem("unserved", seen, START, topic=UNSERVED))
        elif row["name"] in configured and overview.daemons:
            advice = not_loaded(row["name"], path)
            found.append(Finding.problem("unserved", seen, advice, topic="change_has_no_effect"))
        else:
            known = [each["name"] for each in overview.actions if each["handler"]]
            seen += guess(row["name"], {*known, *configured})
            found.append(Finding.problem("unserved", seen, f"correct the name, or {START}", topic=UNSERVED))
    return found or [Finding.ok("unserved", "none: every job that waits has a daemon that serves it")]


def elsewhere(rows: list[Row]) -> list[Finding]:
    """Return a finding for each other database of the server that has the daemons which this one lacks."""
    return [
        Finding.warning(
            "daemons",
            f"no daemon is alive here, but one works on the database {row['name']} of this server",
            "see its dsn: [database] dsn, ASYNCJOBD_DSN, or the credential of the unit",
            topic="no_daemon",
        )
        for row in rows
    ]


def versions(overview: Overview) -> list[Finding]:
    """Return a finding for each daemon whose version is not the one of this command."""
    return [
        Finding.warning(
            "versions",
            f"{row['name']} on {row['host']} is of version {row['version']}, and this command of {__version__}",
            "restart it with the version that is installed, or run the command of its version",
            topic="change_has_no_effect",
        )
        for row in overview.daemons
        if row["version"] != __version__
    ]


def far(rows: list[Row]) -> list[Finding]:
    """Return a finding for each of the jobs that are due the farthest ahead."""
    now = datetime.now().astimezone()
    return [
        Finding.warning(
            "due",
            f"job {row['id']} of {row['job_name']}, inserted by {row['created_by']}, is due "
            f"{full_time(row['due_at'], now)}",
            f"see whether that is meant; else correct its schedule_time, or: asyncjobd run-now {row['id']}",
            topic="job_does_not_start",
        )
        for row in rows
    ]


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
            found.append(
                Finding.warning("paused", seen, advice, topic="paused_or_draining")
                if is_old
                else Finding.ok("paused", seen)
            )
        if changed := told(row):
            advice = f"write it into the configuration, or: {undoing(row)}"
            found.append(Finding.warning("limits", f"{name}: {changed}", advice, topic="limit_is_reached"))
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
    limits = [limit for limit in HIDDEN_LIMITS if limit in row["limits"]]
    if not limits and _has_free_slots(overview, row["name"]):
        advice = (
            "slots are free: its row may be locked, see `asyncjobd show ID` of the first of "
            f"asyncjobd list --where 'name:{row['name']} status:ready'"
        )
        return [level("ready", seen, advice, topic="row_is_locked")]
    raised = " or ".join(["concurrency", *limits])
    advice = f"see what the slots are used for (asyncjobd status), raise {raised}, add a daemon"
    return [level("ready", seen, advice, topic="everything_is_slow")]


def _has_free_slots(overview: Overview, name: str) -> bool:
    return any(
        not is_silent(row)
        and not row["is_draining"]
        and name in row["actions"]
        and row["running"] < row["concurrency"]
        for row in overview.daemons
    )


def running(overview: Overview) -> list[Finding]:
    """Return a finding for the job that has run for the longest."""
    if not overview.running:
        return [Finding.ok("running", "none")]
    row = overview.running[0]
    seen = f"the oldest is job {row['id']} of {row['job_name']}, for {duration(row['running_for'])}"
    if row["running_for"] < OLD_RUNNING_SECONDS:
        return [Finding.ok("running", seen)]
    advice = f"see asyncjobd show {row['id']}; a timeout of the action ends what hangs"
    return [Finding.warning("running", seen, advice, topic="job_does_not_end")]
