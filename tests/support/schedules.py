"""Schedules as a client inserts, reads and changes them."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any

from tests.support.daemon import DEADLINE
from tests.support.jobs import Connection, Row

NEVER = "0 0 1 1 *"  # not while a test runs


async def add(db: Connection, name: str, **columns: Any) -> None:
    """Insert a schedule; without a cron line or an interval one whose time does not come."""
    given = {"name": name, "job_name": "succeed", **columns}
    if "cron" not in given and "every" not in given:
        given["cron"] = NEVER
    values = ", ".join(f"${place}::text::{_type(column)}" for place, column in enumerate(given, 1))
    await db.execute(
        f"insert into asyncjob.schedule ({', '.join(given)}) values ({values})", *map(_text, given.values())
    )


def _type(column: str) -> str:
    types = {
        "every": "interval", "jitter": "interval", "catch_up_for": "interval", "timeout": "interval",
        "anchor": "timestamptz", "next_at": "timestamptz", "paused_until": "timestamptz", "last_at": "timestamptz",
        "params": "jsonb", "priority": "smallint", "max_execution_count": "integer", "last_job_id": "bigint",
    }  # fmt: skip
    return types.get(column, "text")


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


async def set_next(db: Connection, name: str, next_at: str) -> None:
    """Set the next time, a SQL expression."""
    await db.execute(f"update asyncjob.schedule set next_at = {next_at} where name = $1", name)


async def read(db: Connection, name: str) -> Row:
    """Return the row of a schedule, with what it says of its times as numbers."""
    found = await db.fetchrow(
        "select *, paused_until > now() is true as is_paused from asyncjob.schedule where name = $1", name
    )
    assert found is not None, f"schedule {name} is gone"
    return found  # type: ignore[no-any-return]


async def until(db: Connection, name: str, condition: Callable[[Row], Any]) -> Row:
    """Wait until the condition holds for the row of a schedule, and return it."""
    deadline = monotonic() + DEADLINE
    while not condition(found := await read(db, name)):
        assert monotonic() < deadline, f"still {dict(found)}"
        await asyncio.sleep(0.01)
    return found


async def found_next(db: Connection, name: str) -> Row:
    """Wait until a daemon has found the next time of a schedule, and return its row."""
    return await until(db, name, lambda row: row["next_at"] is not None)


async def jobs_of(db: Connection, name: str) -> list[Row]:
    """Return the jobs of a schedule, in the order of their times."""
    return list(
        await db.fetch(
            "select * from asyncjob.job where starts_with(once_key, 'schedule ' || $1 || ' ')"
            " order by schedule_time, id", name,
        )
    )  # fmt: skip
