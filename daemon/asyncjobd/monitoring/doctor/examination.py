"""Looks at one thing after the other, and hands each to its checks."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg

from asyncjobd.monitoring.doctor import (
    dependencies,
    limits,
    locks,
    roles,
    schedules,
    schema,
    server,
    site,
    vacuum,
    work,
)
from asyncjobd.monitoring.doctor.finding import Finding, Row
from asyncjobd.monitoring.overview import Observer, Overview
from asyncjobd.monitoring.schedules import list_schedules
from asyncjobd.postgres import outage
from asyncjobd.postgres.connection import Connection, time_limit
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.embedded import EmbeddedError
from asyncjobd.postgres.outage import named
from asyncjobd.postgres.pooler import is_heard
from asyncjobd.postgres.schema.drift import Drift, drift, expected_catalogue
from asyncjobd.postgres.schema.migrate import SchemaError, check_version
from asyncjobd.postgres.schema.row_filters import Blind, blinds

LONGEST_STATEMENT_SECONDS = 10
LONGEST_LOCK_SECONDS = 2  # the limit for a statement that waits for a lock
LONGEST_LOOK_SECONDS = 60.0  # the limit for all statements of one look; a server that died may never answer
ROUND_TRIPS = 5  # the shortest tells the most about the clock
FAILURES = (*outage.FAILURES, EmbeddedError)
BLOCKED = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError, TimeoutError)

Look = Callable[[Connection, Database], Awaitable[Any]]
Check = Callable[[Any], list[Finding]]
Step = tuple[str, Look, tuple[Check, ...]]


async def examine(
    database: Database, configured: Collection[str] = (), path: Path | None = None, *, as_reader: bool = False
) -> list[Finding]:
    """Return the findings of all checks; what cannot be looked at is a finding too.

    `configured`: the job names of the configuration at `path`. `as_reader`: look as the role for readers does, and
    leave out what is found by trying it, such as what other roles may do. Where the schema is not there, only the
    server is looked at. Raise FAILURES where there is no database.
    """
    unserved: Check = partial(work.unserved, configured=configured, path=path)
    work_step: Step = ("work", _overview, (*WORK, unserved))
    findings = []
    async with _connection(database) as connection:
        if as_reader and not database.is_pooled:
            await connection.execute(f"set role {database.sql('asyncjob_reader')}")
        for name, look, checks in (*EXAMINATION, work_step):
            if as_reader and name in TRIED:
                continue
            try:
                async with time_limit(LONGEST_LOOK_SECONDS, connection):
                    seen = await look(connection, database)
            except FAILURES as error:
                findings.append(_unseen(name, error))
            else:
                for check in checks:
                    findings += check(seen)
            if name == "schema" and not await _has_schema(connection, database):
                break  # the other looks need its tables
    return findings


def _unseen(name: str, error: BaseException) -> Finding:
    advice = "see who holds a lock there (pg_locks, pg_stat_activity), or what the server is busy with"
    topic = "row_is_locked"
    if not isinstance(error, BLOCKED):
        advice = "run it as a role that may look there, and see the findings above"
        topic = "permission_denied"
    return Finding.problem(name, f"it could not be looked at: {named(error)}", advice, topic=topic)


async def _has_schema(connection: Connection, database: Database) -> bool:
    """Return False only where the server says so: a role without rights, or a lock, is another finding."""
    try:
        found = await connection.fetchval(
            "select to_regclass($1) is not null", f"{database.schema}.migration"
        )
    except FAILURES:
        return True
    return bool(found)


@asynccontextmanager
async def _connection(database: Database) -> AsyncIterator[Connection]:
    connection = await database.connect("doctor")
    try:
        yield connection
    finally:
        connection.terminate()


def _limits() -> str:
    """Return the settings that keep a statement from waiting for long."""
    statement, lock = LONGEST_STATEMENT_SECONDS, LONGEST_LOCK_SECONDS
    return f"set local statement_timeout = '{statement}s'; set local lock_timeout = '{lock}s'"


@asynccontextmanager
async def _looking(connection: Connection, settings: str = "") -> AsyncIterator[None]:
    """Open a transaction that changes nothing."""
    async with connection.transaction(readonly=True):
        await connection.execute(settings + _limits())
        yield


@asynccontextmanager
async def _trying(connection: Connection) -> AsyncIterator[None]:
    """Open a transaction that is rolled back at the end."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(_limits())
        yield
    finally:
        await transaction.rollback()


def _rows(query: str) -> Look:
    async def look(connection: Connection, database: Database) -> list[Row]:
        async with _looking(connection):
            return [dict(row) for row in await connection.fetch(*database.query(query))]

    return look


async def _far(connection: Connection, database: Database) -> list[Row]:
    async with _looking(connection, database.engine_settings):  # they bind it to its index
        return [dict(row) for row in await connection.fetch(*database.query("inspect/list_far_jobs"))]


async def _keys(connection: Connection, database: Database) -> list[Row]:
    """Read the keys in the order of their index, which on new tables the planner takes for no better than a sort."""
    async with _looking(connection, f"{database.engine_settings}set local enable_sort = off;"):
        return [dict(row) for row in await connection.fetch(*database.query("inspect/list_waiting_keys"))]


async def _server(connection: Connection, database: Database) -> Row:
    rows: list[Row] = await _rows("inspect/read_server_settings")(connection, database)
    return rows[0]


async def _pooler(connection: Connection, database: Database) -> bool | None:
    """Return whether a notification gets through the pooler; None where there is none."""
    if not database.is_pooled:
        return None
    channel = f"{database.channel()}:doctor"
    async with _connection(database) as other:
        return await is_heard(connection, channel, lambda: other.execute("select pg_notify($1, '')", channel))


async def _clock(connection: Connection, database: Database) -> tuple[float, float]:
    """Return by how many seconds this host is ahead, and how long the answer took."""
    measured = []
    for _ in range(ROUND_TRIPS):
        asked_at, start = time.time(), time.monotonic()
        theirs = await connection.fetchval(*database.query("inspect/read_clock"))
        round_trip = time.monotonic() - start
        measured.append((asked_at + round_trip / 2 - theirs, round_trip))
    return min(measured, key=lambda each: each[1])


async def _schema(connection: Connection, database: Database) -> SchemaError | list[Drift]:
    async with _looking(connection):
        try:
            await check_version(connection, database)
        except SchemaError as error:
            return error
        return await drift(connection, database)


async def _roles(connection: Connection, database: Database) -> list[roles.Role]:
    async with _looking(connection):
        asked = await roles.ask(connection, database)
        try:
            await check_version(connection, database)
        except SchemaError:
            return asked  # on another version's columns any role fails
        except asyncpg.InsufficientPrivilegeError:
            pass  # a role that may write alone
    tried = []
    for role in asked:
        async with _trying(connection):
            tried.append(await roles.attempt(role, connection, database))
    return tried


async def _blinds(connection: Connection, database: Database) -> list[Blind]:
    async with _looking(connection):
        return await blinds(connection, database)


async def _site(connection: Connection, database: Database) -> list[Row]:
    ours = expected_catalogue(database)
    rows: list[Row] = await _rows("inspect/list_site_objects")(connection, database)
    return [row for row in rows if f"trigger {row['name']}" not in ours]


async def _schedules(connection: Connection, database: Database) -> list[Row]:
    async with _looking(connection):
        return [*(await list_schedules(connection, database)).values()]


async def _overview(connection: Connection, database: Database) -> Overview:
    async with _looking(connection, database.engine_settings):
        return await Observer.on(connection, database).look()


EXAMINATION: tuple[Step, ...] = (
    ("server", _server, (server.server, server.encoding, server.settings, server.connections,
                         server.notifications, server.schemas)),
    ("pooler", _pooler, (server.pooler,)),
    ("clock", _clock, (server.clock,)),
    ("schema", _schema, (schema.schema,)),
    ("rights", _roles, (roles.roles,)),
    ("sight", _blinds, (site.blinds,)),
    ("site", _site, (site.triggers, site.foreign_keys, site.settings)),
    ("snapshots", _rows("inspect/list_snapshots"), (vacuum.snapshots,)),
    ("slots", _rows("inspect/list_replication_slots"), (vacuum.slots,)),
    ("tables", _rows("inspect/list_tables"), (vacuum.tables,)),
    ("locks", _rows("inspect/list_writers"), (locks.writers,)),
    ("due", _far, (work.far,)),
    ("elsewhere", _rows("inspect/list_other_databases"), (work.elsewhere,)),
    ("waiting", _rows("inspect/list_waiting_jobs"), (dependencies.circles, dependencies.blocked)),
    ("limits", _keys, (limits.keys,)),
    ("schedules", _schedules, (schedules.unread, schedules.left_behind, schedules.late)),
)  # fmt: skip
TRIED = {"pooler", "rights"}
WORK: tuple[Check, ...] = (
    work.daemons,
    work.versions,
    work.controls,
    work.ready,
    limits.saturated,
    work.running,
)
