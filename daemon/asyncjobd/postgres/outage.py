"""Which errors mean that the database is away for a while, and which that a value was refused."""

import asyncpg

from asyncjobd.postgres.connection import Connection

# All that a statement, or the way to the server, may fail with.
FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)

# Connection, operator intervention, resources, serialization and deadlock, object in use, read-only transaction.
_AWAY = ("08", "57", "53", "40", "55", "25")
_REFUSED = ("22", "23", "54")
_OF_SESSION = ("08", "57P", "25006")  # read-only: the server's role has changed under the connection


def is_outage(error: BaseException) -> bool:
    """Worth waiting for: the same statement may succeed later."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] in _AWAY
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, ValueError)  # a ValueError is a refused argument; else the connection is closed
    # InternalClientError: asyncpg was asked while it took in that its connection was terminated
    return isinstance(error, OSError | TimeoutError | asyncpg.InternalClientError)


def is_away(error: BaseException, connection: Connection) -> bool:
    """As `is_outage`; and of a connection that another part has closed, after which asyncpg fails anyhow."""
    return is_outage(error) or connection.is_closed()


def is_of_session(error: BaseException) -> bool:
    """An outage that another session may not have: worth a new connection, perhaps to another server."""
    return is_outage(error) and not (
        isinstance(error, asyncpg.PostgresError) and not (error.sqlstate or "").startswith(_OF_SESSION)
    )


def is_refusal(error: BaseException) -> bool:
    """PostgreSQL, or the driver on its behalf, does not take a value."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] in _REFUSED
    return isinstance(error, ValueError | OverflowError)
