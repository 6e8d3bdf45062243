"""How what looks at the jobs runs its statements, whoever the connection belongs to."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg

from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.database import Database

Run = Callable[..., Awaitable[Sequence[asyncpg.Record]]]  # runs queries/QUERY.sql, by its name and arguments


def run_on(connection: Connection, database: Database) -> Run:
    """Return what runs statements over a connection."""

    async def run(query: str, **arguments: Any) -> Sequence[asyncpg.Record]:
        return await connection.fetch(*database.query(query, **arguments))

    return run
