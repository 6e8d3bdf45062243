"""Drift: objects of the schema that are missing in the database, or different from what the migrations make.

objects.txt lists what the migrations make. What a site has added, such as an index of its own, is no drift.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.schema.migration import migrations

FILE = "objects.txt"
DIGITS = 16  # hexadecimal digits of the digest of a function's source
# Definitions are written out by the server, in the way that its session is set to.
WRITING = {
    "search_path": "''",
    "timezone": "UTC",
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "quote_all_identifiers": "off",
}


@dataclass(frozen=True, slots=True)
class Drift:
    """An object that is not what the migrations make."""

    name: str
    expected: str
    actual: str | None  # None: it is missing

    def __str__(self) -> str:
        return f"{self.name} is {'missing' if self.actual is None else 'different'}"


async def drift(connection: Connection, database: Database) -> list[Drift]:
    """Return what is missing or different in the database, whose schema must be of this version."""
    actual = await catalogue(connection, database)
    expected = expected_catalogue(database)
    return [
        Drift(name, definition, actual.get(name))
        for name, definition in expected.items()
        if actual.get(name) != definition
    ]


async def catalogue(connection: Connection, database: Database) -> dict[str, str]:
    """Return the definitions of the objects in the database, by kind and name."""
    async with connection.transaction(readonly=True):
        await connection.execute("".join(f"set local {name} = {value};" for name, value in WRITING.items()))
        rows = await connection.fetch(*database.query("schema/list_objects"))
    return {row["name"]: row["definition"] for row in rows}


def expected_catalogue(database: Database) -> dict[str, str]:
    """Return the definitions that the migrations make in the configured schema, by kind and name."""
    text = (files("asyncjobd.postgres.schema") / FILE).read_text(encoding="utf-8")
    for source in _function_sources():  # which name the schema: under another name they have other digests
        text = text.replace(_digest(source), _digest(database.sql(source)))
    lines = database.sql(text).splitlines()
    return dict(line.split(": ", 1) for line in lines)


def as_text(catalogue: dict[str, str]) -> str:
    """Return the text of objects.txt: one object a line."""
    return "".join(f"{name}: {definition}\n" for name, definition in catalogue.items())


def _function_sources() -> list[str]:
    return [
        source
        for migration in migrations()
        for source in re.findall(r"\$\$(.*?)\$\$", migration.sql, re.DOTALL)
    ]


def _digest(source: str) -> str:
    return sha256(source.encode()).hexdigest()[:DIGITS]
