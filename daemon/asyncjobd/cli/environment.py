"""The configuration and the database of a command, and how it runs a coroutine."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import cached_property, update_wrapper
from getpass import getuser
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import asyncpg
import click
import msgspec

from asyncjobd.cli.failures import EXIT_CONFIG, EXIT_NO_DATABASE, EXPECTED, Failure, raise_failure, with_grant
from asyncjobd.cli.group import Options
from asyncjobd.client import Client
from asyncjobd.config.credentials import read_credential
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.load import find_config, load_config
from asyncjobd.config.model import Config, DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.dsn_source import DsnSource
from asyncjobd.postgres.embedded import default_data_directory
from asyncjobd.postgres.schema.migrate import check_schema
from asyncjobd.postgres.statement import in_schema

LOCK_PATIENCE = "10s"  # a value of PostgreSQL's lock_timeout
LOCAL_CONFIG = Path("config.toml")  # `config init` writes it; other commands read it only if it is named

P = ParamSpec("P")
T = TypeVar("T")


class Environment:
    """The configuration and the database that the options of the command line select."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.config_path = options.config_path or find_config()

    @cached_property
    def config(self) -> Config:
        """The configuration, with the dsn of the command line or of the service manager in place of its own."""
        try:
            config = load_config(self.config_path)
            dsn = self._given_dsn()
        except ConfigError as error:
            raise Failure(str(error), EXIT_CONFIG) from error
        if dsn is not None:
            config = msgspec.structs.replace(
                config, database=msgspec.structs.replace(config.database, dsn=dsn)
            )
        return config

    @property
    def database_config(self) -> DatabaseConfig:
        """[database]; the embedded server of a configuration that was named has a data directory of its own."""
        database = self.config.database
        path = self._options.config_path
        if database.dsn or database.data_directory or path is None:
            return database
        return msgspec.structs.replace(database, data_directory=str(default_data_directory(path)))

    @property
    def configured_names(self) -> set[str]:
        """The job names of the configuration; none where it belongs to another database than --dsn names."""
        is_of_others = self._options.dsn is not None and self._options.config_path is None
        return set() if is_of_others else set(self.config.actions)

    @property
    def source(self) -> DsnSource | None:
        """The dsn, and how it is read anew from where it came; None: there is none."""
        return DsnSource(self.config.database.dsn, self._read_dsn) if self.config.database.dsn else None

    def _read_dsn(self) -> str:
        given = self._given_dsn()
        return load_config(self.config_path).database.dsn if given is None else given

    def _given_dsn(self) -> str | None:
        """Return the dsn of the command line, else the credential; None where there is neither."""
        return read_credential("dsn") if self._options.dsn is None else self._options.dsn

    @property
    def unused_file(self) -> Path | None:
        """The configuration file in the working directory that nobody named and that is therefore not used."""
        is_used = self.config_path is not None or self._options.dsn is not None
        return LOCAL_CONFIG if not is_used and LOCAL_CONFIG.is_file() else None

    def warn_of_unused_file(self) -> None:
        """Warn whoever starts a daemon or the web page beside a configuration file that it does not use."""
        if (unused := self.unused_file) is not None:
            click.echo(f"Warning: {unused} is here, but not used: add --config {unused}", err=True)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """Give a client of the configured database."""
        async with self.database() as database:
            client = Client(database)
            try:
                yield client
            finally:
                await client.close()

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """Give the configured database, with a schema that this version works on."""
        async with self.any_database() as database:
            try:
                await check_schema(database)
                yield database
            except asyncpg.InsufficientPrivilegeError as error:
                raise await with_grant(database, error) from error

    @asynccontextmanager
    async def any_database(self) -> AsyncIterator[Database]:
        """Give the configured database, whatever is in it. Raise Failure for an embedded one that is not made yet."""
        async with open_database(self.database_config, self.source, lock_timeout=LOCK_PATIENCE) as database:
            if database.embedded is not None and not database.embedded.has_data:
                raise Failure(
                    f"no dsn is configured, and there is no embedded server at {database.embedded.data}: "
                    + self._how_to_get_one(),
                    EXIT_NO_DATABASE,
                )
            yield database

    def _how_to_get_one(self) -> str:
        if self.unused_file is not None:
            return f"{self.unused_file} is here, but not named: add --config {self.unused_file}"
        return "start `asyncjobd run` with this configuration, or give the --dsn of another database"

    def run(self, coroutine: Coroutine[Any, Any, T], runner: Callable[..., T] = asyncio.run) -> T:
        """Run a coroutine and return its result. Raise Failure for errors that people can mend."""
        try:
            return runner(coroutine)
        except EXPECTED as error:
            raise_failure(error, self.config.database)


def pass_environment(command: Callable[Concatenate[Environment, P], T]) -> Callable[P, T]:
    """Decorate a command whose first argument is the Environment."""

    def call(*arguments: P.args, **options: P.kwargs) -> T:
        given = click.get_current_context().ensure_object(Options)
        return command(Environment(given), *arguments, **options)

    return update_wrapper(call, command)


def _login_name() -> str:
    """Return who uses the command, where a database role is shared; empty where the system does not know."""
    try:
        return getuser().encode("ascii", "replace").decode()  # which any database can store
    except (OSError, KeyError):  # no account has this id
        return ""


@asynccontextmanager
async def open_database(
    config: DatabaseConfig, source: DsnSource | None = None, **settings: str
) -> AsyncIterator[Database]:
    """Give a database, and close it at the end. `source` and `settings` (PostgreSQL's): see Database."""
    actor = {in_schema("asyncjob.actor", config.schema): _login_name()}
    database = Database(config, actor | settings, source)
    try:
        yield database
    finally:
        await database.close()
