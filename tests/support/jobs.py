"""Rows as a client inserts, reads and changes them."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any

import asyncpg

from tests.support.daemon import DEADLINE

Connection = Any  # asyncpg.Connection, which is generic for type checkers only
Row = asyncpg.Record


async def insert(db: Connection, job_name: str, params: str = "{}", **columns: str) -> int:
    """Insert a job by plain SQL and return its id; `columns` are SQL expressions."""
    names = ", ".join(["job_name", "params", *columns])
    values = ", ".join(["$1", "$2", *columns.values()])
    return int(
        await db.fetchval(
            f"insert into asyncjob.job ({names}) values ({values}) returning id", job_name, params
        )
    )


async def row(db: Connection, job_id: int) -> Row:
    found = await db.fetchrow("select *, now() as now from asyncjob.job where id = $1", job_id)
    assert found is not None, f"job {job_id} is gone"
    return found  # type: ignore[no-any-return]


async def until(db: Connection, job_id: int, condition: Callable[[Row], Any]) -> Row:
    """Wait until the condition holds for the row, and return it."""
    deadline = monotonic() + DEADLINE
    while not condition(found := await row(db, job_id)):
        assert monotonic() < deadline, f"still {dict(found)}"
        await asyncio.sleep(0.01)
    return found


async def settled(db: Connection, job_id: int) -> Row:
    return await until(
        db, job_id, lambda r: r["status"] in ("Completed", "Failed") and r["daemon_id"] is None
    )


async def running(db: Connection, job_id: int) -> Row:
    return await until(db, job_id, lambda r: r["daemon_id"] is not None)


async def unowned(db: Connection, job_id: int, status: str) -> Row:
    return await until(db, job_id, lambda r: r["daemon_id"] is None and r["status"] == status)


async def blocked(db: Connection) -> None:
    """Wait until a session waits for a lock. `db` must be in no transaction, which would see what it saw first."""
    async with asyncio.timeout(DEADLINE):
        while not await db.fetchval(
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        ):
            await asyncio.sleep(0.01)


async def executions(db: Connection, job_id: int) -> list[Row]:
    return list(await db.fetch("select * from asyncjob.execution where job_id = $1 order by number", job_id))


async def set_status(db: Connection, job_id: int, status: str, more: str = "") -> None:
    """Update the status as a client does; `more`: further assignments."""
    await db.execute(
        f"update asyncjob.job set status = $2::text::asyncjob.status {more} where id = $1", job_id, status
    )


async def as_engine(db: Connection, statement: str, *arguments: object) -> None:
    """Write as a daemon does: without the triggers for clients, and so without a notification."""
    async with db.transaction():
        await db.execute("set local asyncjob.engine = 'on'")
        await db.execute(statement, *arguments)
