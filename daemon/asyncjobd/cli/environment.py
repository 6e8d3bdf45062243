"""What commands share: the configuration, the database, and how they fail."""

import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import asyncpg
import click
import msgspec
import uvloop

from asyncjobd.cli.dashboard.overview import Observer
from asyncjobd.client import Client
from asyncjobd.config.credentials import read_credential
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.load import find_config, load_config
from asyncjobd.config.model import Config, DatabaseConfig
from asyncjobd.postgres.database import Database, Use
from asyncjobd.postgres.dsn_source import DsnSource
from asyncjobd.postgres.embedded import EmbeddedError
from asyncjobd.postgres.outage import FAILURES, is_outage
from asyncjobd.postgres.schema.migrate import SchemaError, check_schema
from asyncjobd.postgres.schema.rights import lacking

WRONG_USAGE = 2  # as click's
NO_DATABASE = 69  # sysexits.h: EX_UNAVAILABLE
WRONG_CONFIG = 78  # sysexits.h: EX_CONFIG
LOCK_PATIENCE = "10s"  # as PostgreSQL writes it


class Failure(click.ClickException):
    """Ends the command with this exit code; the message goes to standard error."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self._exit_code = exit_code

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        return self._exit_code


class Environment:
    def __init__(self, config_path: Path | None, dsn: str | None) -> None:
        self.config_path = config_path or find_config()
        self._dsn = dsn

    @cached_property
    def config(self) -> Config:
        try:
            config = load_config(self.config_path)
            dsn = self._given_dsn()
        except ConfigError as error:
            raise Failure(str(error), WRONG_CONFIG) from error
        if dsn is not None:
            config = msgspec.structs.replace(
                config, database=msgspec.structs.replace(config.database, dsn=dsn)
            )
        return config

    def _given_dsn(self) -> str | None:
        """In place of the configuration's."""
        return self._dsn if self._dsn is not None else read_credential("dsn")

    @property
    def source(self) -> DsnSource | None:
        """The dsn, and how it is read anew from where it came; None: there is none."""
        return DsnSource(self.config.database.dsn, self._read_dsn) if self.config.database.dsn else None

    def _read_dsn(self) -> str:
        given = self._given_dsn()
        return load_config(self.config_path).database.dsn if given is None else given

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        async with self.database() as database:
            client = Client(database)
            try:
                yield client
            finally:
                await client.close()

    @asynccontextmanager
    async def observer(self) -> AsyncIterator[Observer]:
        async with self.database() as database:
            connection = await database.connect("observer", Use.ENGINE)
            try:
                yield Observer.on(connection, database)
            finally:
                connection.terminate()

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """The configured one, with a schema that this version works on."""
        async with self.any_database() as database:
            try:
                await check_schema(database)
                yield database
            except asyncpg.InsufficientPrivilegeError as error:
                raise await _denial(database, error) from error

    @asynccontextmanager
    async def any_database(self) -> AsyncIterator[Database]:
        """The configured one, whatever is in it; an embedded one is not made."""
        async with open_database(self.config.database, lock_timeout=LOCK_PATIENCE) as database:
            if database.embedded is not None and not database.embedded.has_data:
                raise Failure(
                    f"no dsn is configured, and there are no data of an embedded server at {database.embedded.data}: "
                    "start `asyncjobd run`, or give the --dsn that it logs",
                    NO_DATABASE,
                )
            yield database

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Runs it, and turns what people can mend into a message and an exit code."""
        try:
            return uvloop.run(coroutine)
        except ConfigError as error:
            raise Failure(str(error), WRONG_CONFIG) from error
        except SchemaError as error:
            raise Failure(str(error)) from error
        except (*FAILURES, EmbeddedError) as error:
            raise database_failure(error, self.config) from error


@asynccontextmanager
async def open_database(config: DatabaseConfig, **settings: str) -> AsyncIterator[Database]:
    """`settings`: of PostgreSQL, see Database."""
    database = Database(config, settings)
    try:
        yield database
    finally:
        await database.close()


async def _denial(database: Database, error: asyncpg.InsufficientPrivilegeError) -> BaseException:
    """The error with the grant that mends it, where it is one of a client's."""
    try:
        connection = await database.connect("rights")
        lacks = await lacking(connection, database, "producer")
        connection.terminate()
    except FAILURES:
        lacks = []
    if not lacks:
        return error
    producer, reader = database.sql("asyncjob_producer"), database.sql("asyncjob_reader")
    return Failure(
        f"{error}: grant {producer} to {lacks[0].role}, or {reader} where it only looks (`asyncjobd doctor`)"
    )


def database_failure(error: BaseException, config: Config) -> Failure:
    reason = str(error) or type(error).__name__
    unknown = re.fullmatch(
        'unrecognized configuration parameter "(.+)"', reason
    )  # asyncpg asks the server for it
    if isinstance(error, asyncpg.ClientConfigurationError) or (
        unknown and f"{unknown[1]}=" in config.database.dsn
    ):
        return Failure(f"[database] dsn: {reason}", WRONG_CONFIG)
    if isinstance(error, asyncpg.LockNotAvailableError):
        return Failure(
            f"{reason}: somebody holds a lock for longer than {LOCK_PATIENCE} (`asyncjobd doctor`)"
        )
    if isinstance(error, EmbeddedError) or (not is_outage(error) and not _is_refused_login(error)):
        return Failure(reason, NO_DATABASE if isinstance(error, EmbeddedError) else 1)
    where = Database(config.database).address if config.database.dsn else "the embedded server"
    advice = "; make it first: create database" if isinstance(error, asyncpg.InvalidCatalogNameError) else ""
    return Failure(f"no database at {where}: {reason}{advice}", NO_DATABASE)


def _is_refused_login(error: BaseException) -> bool:
    return isinstance(error, asyncpg.InvalidAuthorizationSpecificationError | asyncpg.InvalidCatalogNameError)
