"""The classification of database errors: outages, refused values, missing rights."""

import asyncpg

from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.text import short_ascii

# Every exception that connecting, or a statement, can raise.
FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)

# Classes of SQLSTATE that pass with time: connection, operator intervention, resources, serialization and
# deadlock, object in use, read-only transaction, disk error.
_OUTAGE_CLASSES = ("08", "57", "53", "40", "55", "25", "58")
# A table, function or right that a statement of ours needs is missing; or a function that the statement
# calls, such as a trigger, says so, in which case the row is at fault.
_STATEMENT_CLASSES = ("0A", "26", "3F", "42")
# Raised inside a function, these are no outage of ours: it lost a server of its own, or called currval too
# early.
_FUNCTION_STATES = ("08", "58", "55000")
# The connection is lost, the server shuts down, or it has become read-only as its role has changed.
_SESSION_STATES = ("08", "57P", "25006")


def is_outage(error: BaseException) -> bool:
    """Return whether the same statement may succeed later, so that it is worth waiting for."""
    if isinstance(error, asyncpg.PostgresError):
        if error.context is not None and (error.sqlstate or "").startswith(_FUNCTION_STATES):
            return False
        return (error.sqlstate or "")[:2] in _OUTAGE_CLASSES
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, ValueError)  # asyncpg refuses an argument; else the connection is closed
    # InternalClientError: raised by asyncpg while it notices that its connection was closed
    return isinstance(error, OSError | TimeoutError | asyncpg.InternalClientError)


def is_outage_or_closed(error: BaseException, connection: Connection) -> bool:
    """Return whether the error is an outage, or follows from a connection that another part has closed."""
    return is_outage(error) or connection.is_closed()


def needs_new_session(error: BaseException) -> bool:
    """Return whether the error is an outage that a new connection may not have, perhaps to another server."""
    return is_outage(error) and not (
        isinstance(error, asyncpg.PostgresError) and not (error.sqlstate or "").startswith(_SESSION_STATES)
    )


def is_forbidden(error: BaseException) -> bool:
    """Return whether the role lacks a right for the statement itself, not for a trigger that it fires."""
    return isinstance(error, asyncpg.InsufficientPrivilegeError) and error.context is None


def is_refusal(error: BaseException) -> bool:
    """Return whether a row or a value is at fault: PostgreSQL, the driver or a trigger refuses it."""
    if isinstance(error, asyncpg.PostgresError):
        is_of_statement = (error.sqlstate or "")[:2] in _STATEMENT_CLASSES and error.context is None
        return not (is_outage(error) or is_of_statement)
    return isinstance(error, ValueError | OverflowError)


def describe(error: BaseException) -> str:
    """Return the text of an error, as `short_ascii` has it, without the values of the row."""
    text = str(error.args[0]) if isinstance(error, asyncpg.PostgresError) else str(error)
    return short_ascii(text or type(error).__name__)


def named(error: BaseException) -> str:
    """Return the class of an error and its text, or the class alone where there is none."""
    return f"{type(error).__name__}: {error}".rstrip(": ")
