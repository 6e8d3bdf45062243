"""The versioned schema: migrations/*.sql, each applied once, in order, in one transaction under a lock."""

from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

from asyncjobd.postgres.connection import Connection, until
from asyncjobd.postgres.database import Database

LONGEST_CHECK = 10.0  # seconds
LOCK = 0x6173796E_636A6F62  # "asyncjob": of pg_advisory_xact_lock


class SchemaError(Exception):
    """The schema in the database is not the one that this version works on."""


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    sql: str

    @property
    def digest(self) -> str:
        return sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    found = []
    for file in (files("asyncjobd.postgres") / "migrations").iterdir():
        if file.name.endswith(".sql"):
            number, _, name = file.name.removesuffix(".sql").partition("_")
            found.append(Migration(int(number), name, file.read_text(encoding="utf-8")))
    return sorted(found, key=lambda migration: migration.version)


async def migrate(database: Database) -> list[Migration]:
    """Brings the schema up to date and answers what it applied. Safe to run twice, and from two processes at once."""
    connection = await database.connect("migrate")
    try:
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
            # `if not exists` would still ask for the right to create it
            if await connection.fetchval("select to_regnamespace($1)", database.schema) is None:
                await connection.execute(database.sql("create schema asyncjob"))
            await connection.execute(
                database.sql(
                    "create table if not exists asyncjob.migration ("
                    " version integer primary key, name text not null, digest text not null,"
                    " applied_at timestamptz not null default now())"
                )
            )
            applied = await _applied(connection, database)
            pending = [migration for migration in migrations() if migration.version > applied]
            for migration in pending:
                await connection.execute(database.sql(migration.sql))
                await connection.execute(
                    database.sql("insert into asyncjob.migration (version, name, digest) values ($1, $2, $3)"),
                    migration.version,
                    migration.name,
                    migration.digest,
                )
            return pending
    finally:
        connection.terminate()


async def check_schema(database: Database, *, is_engine: bool = False) -> None:
    """Raises SchemaError where the database's version is not this program's, OSError where it does not answer."""
    connection = await database.connect("check", is_engine=is_engine)
    try:
        async with until(LONGEST_CHECK, connection):
            exists = await connection.fetchval("select to_regclass($1) is not null", f"{database.schema}.migration")
            applied = await _applied(connection, database) if exists else 0
    finally:
        connection.terminate()
    latest = migrations()[-1].version
    if applied < latest:
        raise SchemaError(
            f"the schema {database.schema!r} is at version {applied}, this asyncjobd needs {latest}: "
            "run `asyncjobd migrate`"
        )
    if applied > latest:
        raise SchemaError(
            f"the schema {database.schema!r} is at version {applied}, this asyncjobd knows {latest}: upgrade asyncjobd"
        )


async def _applied(connection: Connection, database: Database) -> int:
    """The schema's version. Raises SchemaError where a migration was applied with another text than it has here."""
    rows = await connection.fetch(  # as jsonb: the first schemas had no digest
        database.sql("select version, to_jsonb(m) ->> 'digest' as digest from asyncjob.migration m order by version")
    )
    known = {migration.version: migration for migration in migrations()}
    for row in rows:
        migration = known.get(row["version"])
        if migration is not None and migration.digest != row["digest"]:
            raise SchemaError(
                f"the schema {database.schema!r} was made by another version {migration.version} "
                f"({migration.name!r}) than this asyncjobd has: use the asyncjobd that made it, or another schema"
            )
    return rows[-1]["version"] if rows else 0
