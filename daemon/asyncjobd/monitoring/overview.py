"""The state of daemons, actions and jobs, from one look at the database."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, tzinfo
from time import monotonic
from typing import Any

import msgspec

from asyncjobd.monitoring.history import History, read_history
from asyncjobd.monitoring.limits import with_limits
from asyncjobd.monitoring.run import Run, run_on
from asyncjobd.monitoring.why.names import paused
from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.database import Database, Use

SLOW_SECONDS = 5.0  # a ready job that waits longer is late
MOST_LISTED = 50  # running jobs, and failures
LAST_HOUR = timedelta(minutes=55)  # and the running step, which is no longer than the others
LAST_HOUR_STEP = timedelta(minutes=5)
LAST_HOUR_INTERVAL = 15.0  # seconds between two looks at it: it changes once a minute
UNCONTROLLED: dict[str, Any] = {  # columns of list_controls.sql, for a name that is no action
    "paused_until": None, "paused_by": None, "paused_for": None, "paused_since": None,
    "limits": {}, "configured": {}, "running_in_all": None, "saturated": None, "next_start_in": None,
}  # fmt: skip
COUNTED = ("completed", "retried", "repeated", "stopped", "rate")  # what daemons did, of an action

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Overview:
    """Rows of queries/inspect/list_*.sql.

    Those of daemons have `running` as it is now, at most their slots: jobs that are claimed ahead have no slot yet.
    `hindrances` are what engine/fleet/hindrances.py says. Those of actions have what daemons did lately: `rate` is the
    executions that ended per second; `completed`, `retried`, `repeated` and `stopped` count since the daemons' starts;
    `waited` and `ran` are the median and the 99th percentile in seconds, of the slowest daemon. With `since` all of
    these are of the time since then, by the history. `last_hour`: the executions that ended in each 5 minutes; None
    where the history says nothing. `arrivals`: the jobs that come a second, where some are late. `waiting` of the
    queued jobs wait for other jobs. What clients control of them is that of list_controls.sql.
    """

    daemons: list[Row]
    actions: list[Row]
    running: list[Row]
    failures: list[Row]
    since: datetime | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class LastHour:
    """The history of the last hour, as it was some seconds ago."""

    def __init__(self) -> None:
        self._history: History | None = None
        self._read_at = 0.0  # monotonic

    async def read(self, run: Run, now: datetime) -> History:
        if self._history is None or monotonic() >= self._read_at + LAST_HOUR_INTERVAL:
            self._read_at = monotonic()
            self._history = await read_history(run, now - LAST_HOUR, now, length=LAST_HOUR_STEP)
        return self._history


class Observer:
    """Looks at the database."""

    def __init__(self, run: Run, last_hour: LastHour | None = None, zone: tzinfo | None = None) -> None:
        """Create an observer that tells times in a zone, by default the local one.

        `run` uses a connection with the engine's settings, as the statements are written for their indexes.
        Observers that share `last_hour` read it once for all of them.
        """
        self._zone = zone
        self._run = run
        self._last_hour = last_hour or LastHour()

    @classmethod
    def on(cls, connection: Connection, database: Database) -> "Observer":
        """Return an observer that uses this connection."""
        return cls(run_on(connection, database))

    async def look(self, since: datetime | None = None) -> Overview:
        """Return the state as it is now, with what daemons did since a time, by default lately."""
        daemons = await self._fetch("inspect/list_daemons")
        in_hand = {row["daemon_id"]: row["jobs"] for row in await self._fetch("inspect/count_running_jobs")}
        for row in daemons:
            row["running"] = min(in_hand.get(row["id"], 0), row["concurrency"])
        told = [msgspec.json.decode(row.pop("metrics") or '{"actions": {}}') for row in daemons]
        for row, each in zip(daemons, told, strict=True):
            row["hindrances"] = each.get("hindrances", {})
        metrics = [each["actions"] for each in told]
        actions = await self._fetch("inspect/list_actions")
        controls = {row["name"]: with_limits(row) for row in await self._fetch("inspect/list_controls")}
        waiting = {row["job_name"]: row["jobs"] for row in await self._fetch("inspect/count_waiting_jobs")}
        now = datetime.now().astimezone(self._zone)
        last_hour = await self._last_hour.read(self._run, now)
        history = None if since is None else await read_history(self._run, since, now)
        for row in actions:
            row |= controls.get(row["name"], UNCONTROLLED)
            row["waiting"] = waiting.get(row["name"], 0)
            if not (row["queued"] or row["ready"] or row["held"]):
                row["waits_because"] = None
            elif row["waits_because"] is None and drains(daemons, row["name"]):
                row["waits_because"] = "every daemon that serves it drains"
            if row["waits_because"] is None and row["paused_until"] is not None:
                row["waits_because"] = paused(row, now)
            row["last_hour"] = last_hour.ended(row["name"])
            if history is not None:
                row |= _since(history, row["name"])
            else:
                row |= _together([each[row["name"]] for each in metrics if row["name"] in each])
        arrivals = {} if history is not None else await self._arrivals(actions)
        for row in actions:
            row["arrivals"] = arrivals.get(row["name"])
        running = await self._fetch("inspect/list_running_jobs", limit=MOST_LISTED)
        failures = await self._fetch("inspect/list_failures", limit=MOST_LISTED)
        return Overview(daemons, actions, running, failures, None if history is None else history.since)

    async def _arrivals(self, actions: list[Row]) -> dict[str, float]:
        """Return how many jobs of each name come a second; only where some wait, as it reads many rows."""
        if not any((row["oldest_ready"] or 0.0) > SLOW_SECONDS for row in actions):
            return {}
        return {row["job_name"]: row["per_second"] for row in await self._fetch("inspect/count_arrivals")}

    async def _fetch(self, query: str, **arguments: Any) -> list[Row]:
        return [dict(row) for row in await self._run(query, **arguments)]


def is_silent(daemon: Mapping[str, Any]) -> bool:
    """Return whether a daemon is silent for longer than its lease, so that others take it for dead."""
    return bool(daemon["silent_for"] > daemon["lease_seconds"])


def drains(daemons: Sequence[Row], action: str | None = None) -> bool:
    """Return whether there are daemons that are alive and serve this action (None: any), and all of them drain."""
    alive = [
        row for row in daemons
        if not is_silent(row) and (action is None or action in row["actions"])
    ]  # fmt: skip
    return bool(alive) and all(row["is_draining"] for row in alive)


def _since(history: History, name: str) -> Row:
    """Return what the daemons did of one action, from the history."""
    told = history.figures(name).as_dict(history.seconds)
    return {key: told[key] for key in (*COUNTED, "waited", "ran")}


def _together(metrics: list[Row]) -> Row:
    """Return the metrics of one action by all daemons."""
    together: Row = {key: sum(each[key] for each in metrics) for key in COUNTED}
    for key in ("waited", "ran"):
        slowest = [max((each[key][place] or 0 for each in metrics), default=0) or None for place in (0, 1)]
        together[key] = None if slowest == [None, None] else slowest
    return together


async def look(database: Database, since: datetime | None = None) -> Overview:
    """Return the state of a database as `Observer.look` does, over a connection of its own."""
    connection = await database.connect("observer", Use.ENGINE)
    try:
        return await Observer.on(connection, database).look(since)
    finally:
        connection.terminate()
