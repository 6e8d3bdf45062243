"""What commands say of the limits of an action, and of those that SQL has changed."""

import shlex
from typing import Any

import msgspec

from asyncjobd.config.model import LIMITS
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


def _shown(limit: int | str | None, *, quoted: bool = False) -> str:
    shown = "none" if limit is None else str(limit)
    return shlex.quote(shown) if quoted else shown
