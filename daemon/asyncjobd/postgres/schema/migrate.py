"""Migration of the schema, under a lock and in one transaction, and the checks before anybody works on it."""

from collections.abc import Callable
from typing import Any

import asyncpg

from asyncjobd.postgres.connection import Connection, time_limit
from asyncjobd.postgres.database import Database, Use
from asyncjobd.postgres.encoding import ENCODING_ADVICE, SQL_ASCII, encoding_problem
from asyncjobd.postgres.schema.drift import drift
from asyncjobd.postgres.schema.migration import Migration, migrations
from asyncjobd.postgres.schema.rights import lacking
from asyncjobd.postgres.schema.row_filters import blinds

LONGEST_CHECK = 10.0  # seconds
LOCK = 0x6173796E_636A6F62  # "asyncjob": of pg_advisory_xact_lock
MOST_NAMED = 5  # drifted objects in an error
# Executed only where they are missing: `if not exists` would need the right to create them all the same.
CREATE_SCHEMA = "create schema asyncjob;\n"
CREATE_LEDGER = """create table asyncjob.migration (
    version integer primary key, name text not null, digest text not null,
    applied_at timestamptz not null default now()
);
"""

Warned = Callable[[str], None]  # is called with a defect that stops nobody, and what to do about it


class SchemaError(Exception):
    """The schema in the database is not the one that this version of asyncjobd works on."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(f"{reason}: {advice}")
        self.reason = reason
        self.advice = advice


async def migrate(database: Database, warned: Warned = lambda _: None) -> list[Migration]:
    """Bring the schema up to date and return the migrations that were applied.

    It may run twice, and in two processes at once. Raise SchemaError for a newer or another schema.
    """
    connection = await database.connect("migrate")
    try:
        _check_encoding(connection, warned)
        connection.add_log_listener(lambda _, message: _pass_on(message, warned))
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
            ground, pending = await plan(connection, database)
            for script in filter(None, (ground, *(migration.script for migration in pending))):
                await connection.execute(database.sql(script))
            return pending
    finally:
        connection.terminate()


def _pass_on(message: Any, warned: Warned) -> None:
    """Pass on a warning of the server that says what to do."""
    if isinstance(message, asyncpg.PostgresWarning) and message.hint:
        warned(f"{message.message}. {message.hint}")


async def plan(connection: Connection, database: Database) -> tuple[str, list[Migration]]:
    """Return what `migrate` has to do: SQL for the schema and its table of migrations where they are missing,
    and the migrations that are not applied yet."""
    ground = ""
    if await connection.fetchval("select to_regnamespace($1)", database.schema) is None:
        ground += CREATE_SCHEMA
    if not await _has_ledger(connection, database):
        ground += CREATE_LEDGER
    applied = await _applied(connection, database)
    _refuse_newer(applied, database)
    return ground, [migration for migration in migrations() if migration.version > applied]


async def check_schema(
    database: Database, *, is_engine: bool = False, warned: Warned = lambda _: None
) -> None:
    """Raise SchemaError where the schema has another version than this asyncjobd needs.

    For the engine, also raise it where no daemon can work: the schema has drifted, a right is missing, or
    row-level security or a rule hides rows. Raise OSError where the database does not reply within
    LONGEST_CHECK seconds.
    """
    connection = await database.connect("check", Use.ENGINE if is_engine else Use.CLIENT)
    try:
        async with time_limit(LONGEST_CHECK, connection):
            if is_engine:
                _check_encoding(connection, warned)
                await _check_rights(connection, database)
            await check_version(connection, database)
            if is_engine:
                await _check_sight(connection, database)
                await _check_drift(connection, database)
    finally:
        connection.terminate()


def _check_encoding(connection: Connection, warned: Warned) -> None:
    encoding = connection.get_settings().server_encoding
    found = encoding_problem(encoding)
    if encoding == SQL_ASCII:
        raise SchemaError(str(found), ENCODING_ADVICE)
    if found:
        warned(f"{found}: {ENCODING_ADVICE}")


async def _check_rights(connection: Connection, database: Database) -> None:
    lacks = await lacking(connection, database, "daemon")
    if lacks:
        raise SchemaError(
            f"{lacks[0].role} has not what a daemon needs: {', '.join(map(str, lacks))}",
            "; ".join(lack.grant for lack in lacks),
        )


async def _check_sight(connection: Connection, database: Database) -> None:
    for blind in await blinds(connection, database):
        if blind.is_active:
            raise SchemaError(blind.seen, blind.advice)


async def _check_drift(connection: Connection, database: Database) -> None:
    drifted = await drift(connection, database)
    if drifted:
        named = ", ".join(str(each) for each in drifted[:MOST_NAMED])
        more = f" and {len(drifted) - MOST_NAMED} more" if len(drifted) > MOST_NAMED else ""
        raise SchemaError(
            f"the schema {database.schema!r} is not what its migrations made: {named}{more}",
            "`asyncjobd doctor` shows what each must be; put them back",
        )


async def check_version(connection: Connection, database: Database) -> int:
    """Return the schema's version. Raise SchemaError where it is not the one that this asyncjobd needs."""
    applied = await _applied(connection, database)
    latest = migrations()[-1].version
    if applied < latest:
        raise SchemaError(
            f"the schema {database.schema!r} is at version {applied}, this asyncjobd needs {latest}",
            "run `asyncjobd migrate`",
        )
    _refuse_newer(applied, database)
    return applied


def _refuse_newer(applied: int, database: Database) -> None:
    latest = migrations()[-1].version
    if applied > latest:
        raise SchemaError(
            f"the schema {database.schema!r} is at version {applied}, this asyncjobd knows {latest}",
            "upgrade asyncjobd",
        )


async def _applied(connection: Connection, database: Database) -> int:
    """Return the schema's version, 0 where there is none.

    Raise SchemaError where a migration was applied with another text than it has here.
    """
    if not await _has_ledger(connection, database):
        return 0
    rows = await connection.fetch(  # by jsonb: an unreleased schema had no such column
        database.sql(
            "select version, to_jsonb(m) ->> 'digest' as digest from asyncjob.migration m order by version"
        )
    )
    known = {migration.version: migration for migration in migrations()}
    for row in rows:
        migration = known.get(row["version"])
        if migration is not None and migration.digest != row["digest"]:
            raise SchemaError(
                f"the schema {database.schema!r} was made by another version {migration.version} "
                f"({migration.name!r}) than this asyncjobd has",
                "use the asyncjobd that made it, or another schema",
            )
    return rows[-1]["version"] if rows else 0


async def _has_ledger(connection: Connection, database: Database) -> bool:
    return bool(
        await connection.fetchval("select to_regclass($1) is not null", f"{database.schema}.migration")
    )
