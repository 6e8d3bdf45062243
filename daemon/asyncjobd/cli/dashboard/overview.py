"""What goes on: what `status` prints and `top` shows, from one look at the database."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import asyncpg
import msgspec

from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.database import Database

MOST_LISTED = 50  # running jobs, and failures
MOST_COUNTED = 10_000  # jobs of one name and status: as many, or more

Row = dict[str, Any]
Run = Callable[..., Awaitable[Sequence[asyncpg.Record]]]  # of queries/QUERY.sql, by its name and arguments


@dataclass(frozen=True, slots=True)
class Overview:
    """Rows of queries/list_*.sql; those of actions with what daemons did lately: `rate` is the executions that ended a
    second, `completed`, `retried`, `repeated` and `stopped` those since the daemons' starts, `waited` and `ran` the
    median and the 99th percentile in seconds, of the slowest daemon."""

    daemons: list[Row]
    actions: list[Row]
    running: list[Row]
    failures: list[Row]

    def as_dict(self) -> dict[str, list[Row]]:
        return asdict(self)


class Observer:
    def __init__(self, run: Run) -> None:
        """`run` on a connection with the engine's settings: the statements are written for their indexes."""
        self._run = run

    @classmethod
    def on(cls, connection: Connection, database: Database) -> "Observer":
        async def run(query: str, /, **arguments: Any) -> Sequence[asyncpg.Record]:
            return await connection.fetch(*database.query(query, **arguments))

        return cls(run)

    async def look(self) -> Overview:
        daemons = await self._fetch("inspect/list_daemons")
        told = [msgspec.json.decode(row.pop("metrics") or '{"actions": {}}') for row in daemons]
        for row, each in zip(daemons, told, strict=True):
            row["away"] = each.get("away")
        figures = [each["actions"] for each in told]
        actions = await self._fetch("inspect/list_actions")
        for row in actions:
            if not (row["queued"] or row["ready"] or row["held"]):
                row["waits_because"] = None
            row |= _together([each[row["name"]] for each in figures if row["name"] in each])
        running = await self._fetch("inspect/list_running_jobs", limit=MOST_LISTED)
        failures = await self._fetch("inspect/list_failures", limit=MOST_LISTED)
        return Overview(daemons, actions, running, failures)

    async def _fetch(self, query: str, **arguments: Any) -> list[Row]:
        return [dict(row) for row in await self._run(query, **arguments)]


def _together(figures: list[Row]) -> Row:
    """Of one action, by all daemons."""
    together: Row = {
        key: sum(each[key] for each in figures)
        for key in ("completed", "retried", "repeated", "stopped", "rate")
    }
    for key in ("waited", "ran"):
        slowest = [max((each[key][place] or 0 for each in figures), default=0) or None for place in (0, 1)]
        together[key] = None if slowest == [None, None] else slowest
    return together
