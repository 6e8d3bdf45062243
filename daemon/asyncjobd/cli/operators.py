"""Runs the statements of the commands for operators, and says why one is refused."""

import shlex
from collections.abc import Sequence
from typing import Any

import asyncpg

from asyncjobd.cli.environment import Environment
from asyncjobd.cli.failures import Failure
from asyncjobd.monitoring.limits import list_controls
from asyncjobd.monitoring.schedules import list_schedules, schedule_state
from asyncjobd.monitoring.units import quoted
from asyncjobd.monitoring.why.names import guess
from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.database import Database


async def run_as_operator(
    connection: Connection, database: Database, query: str, **values: Any
) -> Sequence[asyncpg.Record]:
    """Run queries/QUERY.sql. Raise Failure, which says what to grant, where the role may not."""
    try:
        return await connection.fetch(*database.query(query, **values))
    except asyncpg.InsufficientPrivilegeError as error:
        role = await connection.fetchval("select quote_ident(current_user)")
        raise Failure(f"{error}: grant {database.sql('asyncjob_operator')} to {role}") from error


async def control_schedule(
    environment: Environment, query: str, *, name: str, **values: Any
) -> dict[str, Any]:
    """Run a statement of queries/control that changes the schedule of this name, and return its row. Raise Failure
    where there is none.
    """
    async with environment.database() as database:
        connection = await database.connect("operator")
        try:
            rows = await run_as_operator(connection, database, query, name=name, **values)
            if not rows:
                raise await _not_there(connection, database, name)
            return dict(rows[0])
        finally:
            connection.terminate()


async def _not_there(connection: Connection, database: Database, name: str) -> Failure:
    """Return why nothing was done to the schedule of this name."""
    rows = await list_schedules(connection, database)
    if name in rows:
        state = schedule_state(rows[name], rows[name]["now"].astimezone())
        return Failure(f"{name} is {state}: asyncjobd schedule resume {shlex.quote(name)}")
    return Failure(f"there is no schedule {name!r}{guess(name, set(rows))}")


async def control_action(environment: Environment, query: str, *, name: str, **values: Any) -> None:
    """Run a statement of queries/control that changes the action of this name. Raise Failure where there is none."""
    async with environment.database() as database:
        connection = await database.connect("operator")
        try:
            if not await run_as_operator(connection, database, query, name=name, **values):
                raise Failure(unserved(name, await known_names(environment, connection, database)))
        finally:
            connection.terminate()


async def read_controls(environment: Environment, name: str) -> dict[str, Any]:
    """Return the row of list_controls.sql of this action. Raise Failure where there is none."""
    async with environment.database() as database:
        connection = await database.connect("operator")
        try:
            rows = await list_controls(connection, database)
        finally:
            connection.terminate()
    if name not in rows:
        raise Failure(unserved(name, {*rows, *environment.configured_names}))
    return rows[name]


async def known_names(environment: Environment, connection: Connection, database: Database) -> set[str]:
    """Return the job names that daemons serve or have served, and those of the configuration."""
    rows = await connection.fetch(*database.query("upkeep/list_known_names"))
    return {*(row["name"] for row in rows), *environment.configured_names}


def unserved(name: str, known: set[str]) -> str:
    """Return that nobody serves a name, with the known ones that may be meant."""
    return f"no daemon has ever served {quoted(name)}{guess(name, known)}"
