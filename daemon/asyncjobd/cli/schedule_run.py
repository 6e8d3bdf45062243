"""A schedule is run now, and what comes of it is said."""

import asyncio
from time import monotonic

from asyncjobd.cli.environment import Environment
from asyncjobd.cli.failures import Failure
from asyncjobd.cli.operators import control_schedule
from asyncjobd.monitoring.schedules import Row, list_schedules, schedule_state
from asyncjobd.monitoring.units import one_line
from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.database import Database

PATIENCE = 2.0  # seconds that a daemon gets to insert the job
PAUSE = 0.02  # seconds from one look to the next


async def run_now(environment: Environment, name: str) -> str:
    """Have a schedule insert its job now, and return what has come of it. Raise Failure where there is no job."""
    asked = await control_schedule(environment, "control/run_schedule", name=name)
    async with environment.database() as database:
        connection = await database.connect("schedules")
        try:
            row = await _moved(connection, database, asked)
            if row["next_at"] == asked["next_at"]:
                return f"{name}: no daemon has inserted its job within {PATIENCE:g} s; the next one that is alive does"
            if row["last_job_id"] != asked["last_job_id"]:
                return f"{name}: job {row['last_job_id']}"
            raise Failure(f"{name}: nothing was inserted: {await _why_not(connection, database, row)}")
        finally:
            connection.terminate()


async def _moved(connection: Connection, database: Database, asked: Row) -> Row:
    """Return the row of a schedule once a daemon has moved it on from the time asked for, or PATIENCE is over."""
    name, deadline = asked["name"], monotonic() + PATIENCE
    while True:
        row = (await list_schedules(connection, database, name)).get(name)
        if row is None:
            raise Failure(f"{name} was deleted")
        if row["next_at"] != asked["next_at"] or monotonic() >= deadline:
            return row
        await asyncio.sleep(PAUSE)


async def _why_not(connection: Connection, database: Database, row: Row) -> str:
    if row["problem"] is not None:
        return f"it {schedule_state(row, row['now'])}" if row["next_at"] is None else one_line(row["problem"])
    key = f"schedule {row['name']}"
    query = database.query("client/find_keys", unique_key=key, debounce_key=key, once_key=None)
    found = await connection.fetch(*query)
    open_job = found[0]["id"] if found else row["last_job_id"]
    return f"job {open_job} is open (overlap {row['overlap']})"
