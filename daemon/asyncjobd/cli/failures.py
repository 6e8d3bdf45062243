"""How commands fail: a message on standard error and an exit code that scripts can use."""

import re
from shlex import quote
from typing import NoReturn
from urllib.parse import unquote, urlsplit

import asyncpg
import click

from asyncjobd.cli.streams import UNWRITABLE
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.embedded import EmbeddedError
from asyncjobd.postgres.outage import FAILURES, is_outage
from asyncjobd.postgres.schema.migrate import SchemaError
from asyncjobd.postgres.schema.rights import lacking

EXIT_USAGE = 2  # the exit code of click's own errors
EXIT_NO_DATABASE = 69  # EX_UNAVAILABLE of sysexits.h
EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h
EXPECTED = (
    ConfigError,
    SchemaError,
    EmbeddedError,
    *FAILURES,
)  # errors that are told in a line, without a traceback
REFUSED_LOGIN = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)


class Failure(click.ClickException):
    """An error that ends the command with this exit code; the message goes to standard error."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self._exit_code = exit_code

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        return self._exit_code


def raise_failure(error: BaseException, database: DatabaseConfig) -> NoReturn:
    """Raise the Failure for an error that is EXPECTED."""
    if isinstance(error, ConfigError):
        raise Failure(str(error), EXIT_CONFIG) from error
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        raise error  # it is of what the command prints; LazyGroup says so
    if isinstance(error, SchemaError):
        raise Failure(str(error)) from error
    raise database_failure(error, database) from error


def database_failure(error: BaseException, database: DatabaseConfig) -> Failure:
    """Return the Failure for an error of the database, with what to do about it where that is known."""
    reason = str(error) or type(error).__name__
    # asyncpg takes a key of the dsn that it does not know for a setting, and asks the server for it
    unknown = re.fullmatch('unrecognized configuration parameter "(.+)"', reason)
    is_of_dsn = unknown is not None and f"{unknown[1]}=" in database.dsn
    if isinstance(error, asyncpg.ClientConfigurationError) or is_of_dsn:
        return Failure(f"[database] dsn: {reason}", EXIT_CONFIG)
    if isinstance(error, asyncpg.LockNotAvailableError):
        return Failure(f"{reason}: somebody holds a lock for too long (`asyncjobd doctor`)")
    if isinstance(error, EmbeddedError):
        return Failure(reason, EXIT_NO_DATABASE)
    if not (is_outage(error) or isinstance(error, REFUSED_LOGIN)):
        return Failure(reason)
    where = Database(database).address if database.dsn else "the embedded server"
    advice = ""
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        advice = f"; create it first: {create_database(database.dsn)}"
    return Failure(f"no database at {where}: {reason}{advice}", EXIT_NO_DATABASE)


def create_database(dsn: str) -> str:
    """Return the commands that make the database of a dsn, as a shell and as psql take them."""
    parts = urlsplit(dsn)
    login, _, hosts = parts.netloc.rpartition("@")
    first = re.fullmatch(r"\[?([^]]*?)\]?(?::(\d*))?", hosts.partition(",")[0])
    host, port = (first[1], first[2]) if first else ("", "")
    user = unquote(login.partition(":")[0])
    query = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
    host = unquote(query.get("host") or host).partition(",")[0]
    name = unquote(parts.path.strip("/")) or user
    options = [f"-{flag} {quote(value)}" for flag, value in (("h", host), ("p", port), ("U", user)) if value]
    quoted = name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'
    return f"{' '.join(['createdb', *options, quote(name)])}, or in psql: create database {quoted}"


async def with_grant(database: Database, error: asyncpg.InsufficientPrivilegeError) -> BaseException:
    """Return the error with the grant that is missing, where a client's role lacks one."""
    try:
        connection = await database.connect("rights")
        lacks = await lacking(connection, database, "producer")
        connection.terminate()
    except FAILURES:
        return error
    if not lacks:
        return error
    producer, reader, operator = (
        database.sql(f"asyncjob_{what}") for what in ("producer", "reader", "operator")
    )
    return Failure(
        f"{error}: grant {producer} to {lacks[0].role}, {reader} where it only looks, or {operator} where it controls "
        "daemons (`asyncjobd doctor`)"
    )
