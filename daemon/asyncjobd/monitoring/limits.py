"""Which limits of an action SQL has changed, and which are reached, in words."""

import shlex
from collections.abc import Sequence
from typing import Any

import msgspec

from asyncjobd.config.model import LIMITS
from asyncjobd.monitoring.units import duration, one_line
from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.database import Database

Limits = dict[str, int | str]
Row = dict[str, Any]


async def list_controls(connection: Connection, database: Database) -> dict[str, Row]:
    """Return the rows of list_controls.sql by the names of the actions, with their limits as values."""
    rows = await connection.fetch(*database.query("inspect/list_controls"))
    return {row["name"]: with_limits(dict(row)) for row in rows}


def with_limits(row: Row) -> Row:
    """Return a row of list_controls.sql with its limits as values."""
    return row | {key: msgspec.json.decode(row[key], type=Limits) for key in ("limits", "configured")}


def changes(row: Row) -> dict[str, tuple[int | str | None, int | str | None]]:
    """Return the limits that SQL has changed: what holds, and what the configuration says."""
    pairs = {name: (row["limits"].get(name), row["configured"].get(name)) for name in LIMITS}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def told(row: Row) -> str:
    """Return what SQL has changed, as words; empty where it has changed nothing."""
    return "; ".join(
        f"{name} is {_shown(limit)}, and {_shown(configured)} in the configuration"
        for name, (limit, configured) in changes(row).items()
    )


def undoing(row: Row) -> str:
    """Return the command that sets what the configuration says."""
    options = (f"{option_of(name)} {_shown(pair[1], quoted=True)}" for name, pair in changes(row).items())
    return f"asyncjobd limit {shlex.quote(row['name'])} {' '.join(options)}"


def option_of(name: str) -> str:
    """Return the option of `asyncjobd limit` that sets this limit."""
    return "--per-daemon" if name == "max_running_per_daemon" else f"--{name.replace('_', '-')}"


def listed(limits: Limits) -> str:
    """Return limits in one line."""
    return ", ".join(f"{name} {_shown(limits[name])}" for name in LIMITS if name in limits) or "no limits"


def reached(row: Row) -> str:
    """Return which limit lets no job of an action start now, from its row of list_controls.sql; empty: none does."""
    if not row["saturated"]:
        return ""
    most = row["limits"].get("max_running")
    if most is not None and row["running_in_all"] >= most:
        return f"max_running ({most}) is reached"
    return f"the rate ({row['limits']['rate']}) is used up: {next_start(row['next_start_in'])}"


def reached_by(row: Row, job_name: str) -> str:
    """Return which limit keeps a job from starting, from a row of explain_limits.sql; empty: none does."""
    key = one_line(repr(row["limit_key"]))
    most, most_of_key = row["max_running"], row["max_running_per_key"]
    if most is not None and row["running"] >= most:
        return f"max_running of {job_name} ({most}) is reached{_by(row['running'], row['holders'])}"
    if row["limit_key"] is not None and most_of_key is not None and row["running_of_key"] >= most_of_key:
        said = f"max_running_per_key of {job_name} ({most_of_key}) is reached by the limit_key {key}"
        return said + _by(row["running_of_key"], row["holders_of_key"])
    if row["next_start_in"] is not None:
        return f"the rate of {job_name} ({row['rate']}) is used up: {next_start(row['next_start_in'])}"
    if row["next_of_key_in"] is not None:
        said = f"the rate_per_key of {job_name} ({row['rate_per_key']}) is used up by the limit_key {key}"
        return f"{said}: {next_start(row['next_of_key_in'])}"
    return ""


def _by(running: int, holders: Sequence[int]) -> str:
    """Return which jobs have taken the places; `holders` are the first two of them."""
    if running > 2:
        return f", by jobs {', '.join(map(str, holders))} and {running - len(holders)} more"
    return f", by {'job' if running == 1 else 'jobs'} {' and '.join(map(str, holders))}" if running else ""


def next_start(seconds: float) -> str:
    return f"the next start is due in {duration(max(seconds, 0.0))}"


def _shown(limit: int | str | None, *, quoted: bool = False) -> str:
    shown = "none" if limit is None else str(limit)
    return shlex.quote(shown) if quoted else shown
