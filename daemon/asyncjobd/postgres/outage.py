"""Which errors mean that the database is away for a while, and which that a value was refused."""

import asyncpg

from asyncjobd.postgres.connection import Connection

# All that a statement, or the way to the server, may fail with.
FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)

LONGEST_WORDS = 1000  # characters

# Connection, operator intervention, resources, serialization and deadlock, object in use, read-only transaction, disk.
_AWAY = ("08", "57", "53", "40", "55", "25", "58")
# What our own statement needs is not there or not granted, unless a function that the statement fired says so.
_OF_STATEMENT = ("0A", "26", "3F", "42")
# Where a function raises them they are its own: a server that it asks is away, or it calls currval too early.
_OF_FUNCTION = ("08", "58", "55000")
_OF_SESSION = ("08", "57P", "25006")  # read-only: the server's role has changed under the connection


def is_outage(error: BaseException) -> bool:
    """Return whether the same statement may succeed later, so that it is worth waiting for."""
    if isinstance(error, asyncpg.PostgresError):
        if error.context is not None and (error.sqlstate or "").startswith(_OF_FUNCTION):
            return False
        return (error.sqlstate or "")[:2] in _AWAY
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(
            error, ValueError
        )  # a ValueError is a refused argument; else the connection is closed
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


def is_forbidden(error: BaseException) -> bool:
    """Return whether this role may not run the statement; what a trigger of the site may not do does not count."""
    return isinstance(error, asyncpg.InsufficientPrivilegeError) and error.context is None


def is_refusal(error: BaseException) -> bool:
    """Return whether a row or a value is at fault: PostgreSQL, the driver or a trigger of the site refuses it."""
    if isinstance(error, asyncpg.PostgresError):
        is_of_statement = (error.sqlstate or "")[:2] in _OF_STATEMENT and error.context is None
        return not (is_outage(error) or is_of_statement)
    return isinstance(error, ValueError | OverflowError)


def words(error: BaseException) -> str:
    """Return what the error says, as every database can store it and within a readable length."""
    text = (
        str(error.args[0]) if isinstance(error, asyncpg.PostgresError) else str(error)
    )  # without the row's values
    text = text or type(error).__name__
    return text.replace("\0", "").encode("ascii", "replace").decode()[:LONGEST_WORDS]
