"""How what looks at the jobs runs its statements, whoever the connection belongs to."""

from collections.abc import Awaitable, Callable, Sequence

import asyncpg

Run = Callable[..., Awaitable[Sequence[asyncpg.Record]]]  # runs queries/QUERY.sql, by its name and arguments
