"""The database: connections with the settings of their use, and queries for its schema."""

import socket
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.forks import close_in_children
from asyncjobd.postgres.connection import Connection, PooledConnection, time_limit
from asyncjobd.postgres.dsn import (
    CONNECT_SECONDS,
    ConnectArguments,
    connect_arguments_by_host,
    hide_password,
    socket_of,
)
from asyncjobd.postgres.dsn_source import DsnSource
from asyncjobd.postgres.embedded import EmbeddedServer, default_data_directory, expand_home
from asyncjobd.postgres.outage import FAILURES
from asyncjobd.postgres.statement import in_schema, load_statement, query_names

# Queries rely on these, and a role or a database may set them otherwise: names mean PostgreSQL's own objects,
# each statement sees all that was committed before it, and values and names are written in one way.
SESSION_SETTINGS = {
    "search_path": "pg_catalog, pg_temp",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "timezone": "UTC",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    "idle_session_timeout": "0",
    "exit_on_error": "off",
}
# The engine's queries use their indexes whatever the statistics say (queries/README.md). None is cut off by
# time, as it would be tried again for ever; and rows that a policy hides are an error, not fewer rows.
ENGINE_SETTINGS = SESSION_SETTINGS | {
    "asyncjob.engine": "on",
    "row_security": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_nestloop": "on",
    "enable_indexscan": "on",
    "enable_indexonlyscan": "on",
    "enable_tidscan": "on",
    "enable_sort": "on",
    "enable_incremental_sort": "on",
    "enable_hashagg": "on",
    "enable_material": "on",
    "enable_memoize": "on",
    "max_parallel_workers_per_gather": "0",
    "seq_page_cost": "1",
    "random_page_cost": "4",
    "cpu_tuple_cost": "0.01",
    "cpu_index_tuple_cost": "0.005",
    "cpu_operator_cost": "0.0025",
    "effective_cache_size": "4GB",
    "from_collapse_limit": "8",
    "join_collapse_limit": "8",
    "geqo": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}
SINCE_17 = {"transaction_timeout": "0"}  # which older servers do not know
# By these the server finds out that a daemon is cut off, and releases its locks.
SERVER_SIDE_KEEPALIVE = {
    "client_connection_check_interval": "5s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
CLIENT_SIDE_KEEPALIVE = {
    socket.TCP_KEEPIDLE: 10,
    socket.TCP_KEEPINTVL: 5,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 15_000,  # milliseconds until what was sent must be acknowledged
}


class Use(Enum):
    """The use of a connection, which decides its settings; a handler's SQL runs with those of the site."""

    ENGINE = "engine"
    CLIENT = "client"
    HANDLER = "handler"


class Database:
    """One database and one schema in it, by a dsn or on the embedded server."""

    def __init__(
        self,
        config: DatabaseConfig,
        settings: Mapping[str, str] = MappingProxyType({}),
        source: DsnSource | None = None,
    ) -> None:
        """`settings`: PostgreSQL's, for all sessions except those through a pooler in transaction mode.
        `source`: where the dsn is read again after a failure; None: the configured dsn stays."""
        self.schema = config.schema
        self._settings = settings
        self.is_pooled = False  # known from the first connection on
        self._is_17 = False  # or newer; likewise
        self.embedded: EmbeddedServer | None = None
        self._first = 0  # the number of the host that is asked first
        if source is None and not config.dsn:
            data = expand_home(config.data_directory) if config.data_directory else default_data_directory()
            self.embedded = EmbeddedServer(data, Path(config.postgres_bin) if config.postgres_bin else None)
        self.source = source or DsnSource(config.dsn if self.embedded is None else self.embedded.dsn)

    def for_another_thread(self) -> "Database":
        """Return the same database for another thread; it starts no server."""
        return Database(DatabaseConfig(schema=self.schema), self._settings, self.source)

    async def connect(self, purpose: str, use: Use = Use.CLIENT) -> Connection:
        """Return a new connection, which pg_stat_activity shows as "asyncjobd PURPOSE".

        Of several hosts it is to the one that takes writes, unless the dsn has target_session_attrs. If no
        host accepts it, the dsn is read again and tried once more. Raise what `outage.FAILURES` has, or
        EmbeddedError.
        """
        if self.embedded is not None:
            await self.embedded.ensure()
        tried = self.source.dsn
        try:
            return await self._connect_to_any(tried, purpose, use)
        except FAILURES:
            self.source.renew()
            if self.source.dsn == tried:
                raise
        return await self._connect_to_any(self.source.dsn, purpose, use)

    async def _connect_to_any(self, dsn: str, purpose: str, use: Use) -> Connection:
        hosts = connect_arguments_by_host(dsn)
        chooses = "target_session_attrs" not in dsn and (use is Use.ENGINE or len(hosts) > 1)
        target = SessionAttribute.read_write if chooses else None
        for number in sorted(range(len(hosts)), key=lambda number: number != self._first):
            try:
                connection = await self._connect(hosts[number], target, purpose, use)
            except (OSError, asyncpg.PostgresError, asyncpg.InternalClientError) as error:
                # The traceback is asyncpg's: some of its frames hold the error, which would be a cycle
                failure = _with_socket(error, hosts[number]).with_traceback(None)
                if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
                    failure = asyncpg.TargetServerAttributeNotMatched(
                        await _why_read_only(hosts[number], error)
                    )
            else:
                self._first = number
                return connection
        try:
            raise failure
        finally:
            del failure  # its traceback holds this frame: each would keep the other

    async def _connect(
        self, arguments: ConnectArguments, target: SessionAttribute | None, purpose: str, use: Use
    ) -> Connection:
        shown = {"application_name": f"asyncjobd {purpose}", "timezone": "UTC"}
        keepalive = SERVER_SIDE_KEEPALIVE if use is Use.ENGINE else {}
        if not self.is_pooled:
            try:
                connection = await asyncpg.connect(
                    **arguments._asdict(), target_session_attrs=target,
                    server_settings=shown | keepalive | self._settings_of(use),
                )  # fmt: skip
            except asyncpg.ProtocolViolationError as error:
                if "unsupported startup parameter" not in str(error):  # the words of pgbouncer
                    raise
            else:
                _own(connection)
                if await _is_direct(connection):
                    await self._set_more(connection, use)
                    return connection
                connection.terminate()
            self.is_pooled = True
        pooled = await asyncpg.connect(
            **arguments._asdict(), target_session_attrs=target, server_settings=shown,
            connection_class=PooledConnection, statement_cache_size=0,
        )  # fmt: skip
        self._is_17 = pooled.get_server_version().major >= 17
        pooled.settings = _as_local(self._settings_of(use) | self._later_settings(use))
        _own(pooled)
        return pooled

    async def _set_more(self, connection: Connection, use: Use) -> None:
        """Make the settings that some servers do not know, or that a pooler refuses at the start."""
        self._is_17 = connection.get_server_version().major >= 17
        try:
            for name, value in {**self._settings, **self._later_settings(use)}.items():
                await connection.execute("select set_config($1, $2, false)", name, value)
        except BaseException:
            connection.terminate()
            raise

    def _settings_of(self, use: Use) -> dict[str, str]:
        match use:
            case Use.ENGINE:
                return {self.sql(name): value for name, value in ENGINE_SETTINGS.items()}
            case Use.CLIENT:
                return SESSION_SETTINGS
            case Use.HANDLER:
                return {}

    def _later_settings(self, use: Use) -> dict[str, str]:
        return SINCE_17 if use is Use.ENGINE and self._is_17 else {}

    async def close(self) -> None:
        if self.embedded is not None:
            await self.embedded.stop()

    def query(self, name: str, /, **arguments: Any) -> tuple[Any, ...]:
        """Return the SQL and arguments of queries/NAME.sql: `connection.fetch(*database.query(...))`.

        Raise TypeError where an argument is missing, or is none of the query's.
        """
        statement = load_statement(name, self.schema)
        return (statement.sql, *statement.arguments(arguments))

    def load_queries(self) -> None:
        """Load the SQL of all queries, so that no file is needed later.

        An upgrade of the package may replace the files, and a process may have no free descriptor to open one.
        """
        for name in query_names():
            load_statement(name, self.schema)

    def sql(self, text: str) -> str:
        """Return SQL that is written for the schema asyncjob as it is for the configured one."""
        return in_schema(text, self.schema)

    def channel(self, daemon_id: int | None = None) -> str:
        """Return the channel of ready and due rows; with a daemon, the one that tells it of stops."""
        return self.schema if daemon_id is None else f"{self.schema}:{daemon_id}"

    @property
    def engine_settings(self) -> str:
        """Return SQL that gives a transaction the engine's settings."""
        return _as_local(self._settings_of(Use.ENGINE) | self._later_settings(Use.ENGINE))

    @property
    def psql(self) -> str:
        """Return the shell command that opens psql on this database."""
        return self.embedded.psql if self.embedded is not None else f"psql '{self.address}'"

    @property
    def dsn(self) -> str:
        return self.source.dsn

    @property
    def address(self) -> str:
        """Return the dsn without its password."""
        return hide_password(self.dsn)


def _as_local(settings: Mapping[str, str]) -> str:
    return "".join(f"set local {name} = {value};" for name, value in map(_quoted, settings.items()))


def _quoted(setting: tuple[str, str]) -> tuple[str, str]:
    """Quote the value of a setting, but not a list of schemas, which would be one name."""
    name, value = setting
    return name, value if name == "search_path" else f"'{value}'"


def _with_socket(error: Exception, arguments: ConnectArguments) -> Exception:
    """Return the error of a socket that is not there, which does not say where that is, with its path."""
    path = socket_of(arguments.dsn)
    if path is None or not isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return error
    return type(error)(f"no server listens at {path}: it is not running, or its socket is elsewhere")


async def _why_read_only(arguments: ConnectArguments, error: Exception) -> str:
    """Return why the server takes no writes, or asyncpg's message if it does not answer."""
    try:
        connection = await asyncpg.connect(**arguments._asdict())
    except FAILURES:
        return str(error)
    try:
        async with time_limit(CONNECT_SECONDS, connection):
            row = await connection.fetchrow(
                "select pg_catalog.pg_is_in_recovery() as is_replica, current_user as role,"
                " pg_catalog.current_database() as database"
            )
    except FAILURES:
        return str(error)
    finally:
        connection.terminate()
    assert row is not None
    if row["is_replica"]:
        return "the server is a replica (in recovery), and takes no writes"
    return (
        f"default_transaction_read_only is on for role {row['role']} in database {row['database']}, "
        "by the role, the database or the server"
    )


async def _is_direct(connection: Connection) -> bool:
    """Return whether no pooler is between: the process id in a pooler's key for cancelling is its own."""
    try:
        async with time_limit(CONNECT_SECONDS, connection):
            unnamed = await connection.prepare("select pg_backend_pid()", name="")
            return bool(await unnamed.fetchval() == connection.get_server_pid())
    except BaseException:
        connection.terminate()
        raise


def _own(connection: Connection) -> None:
    """Keep the TCP session alive, for which asyncpg has no option; keep the socket from child processes."""
    close_in_children(connection, _descriptor)
    wire = _wire(connection)
    if wire is not None and wire.family in {socket.AF_INET, socket.AF_INET6}:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in CLIENT_SIDE_KEEPALIVE.items():
            wire.setsockopt(socket.IPPROTO_TCP, option, value)


def _wire(connection: Connection) -> Any:
    return connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]


def _descriptor(connection: Connection) -> int:
    wire = None if connection.is_closed() else _wire(connection)
    return -1 if wire is None else int(wire.fileno())
