"""The database: how to connect to it, and its statements."""

import re
import socket
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from asyncjobd.config import DatabaseConfig
from asyncjobd.forks import withhold
from asyncjobd.postgres.connection import Connection, PooledConnection, until
from asyncjobd.postgres.dsn import checked, one_by_host, without_password
from asyncjobd.postgres.embedded import EmbeddedServer, default_directory, home

CONNECT_SECONDS = 5  # a host

# The engine's statements are held to their indexes whatever the statistics say; tests/test_plans.py shows it.
ENGINE_SETTINGS = {
    "asyncjob.engine": "on",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}
# By these the server finds out that a daemon is cut off, and lets go of what it had locked.
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


class Database:
    """One database, given by its dsn or served by the embedded server."""

    def __init__(self, config: DatabaseConfig, settings: Mapping[str, str] = MappingProxyType({})) -> None:
        """`settings`: of PostgreSQL, for all its sessions but those through a pooler in transaction mode."""
        self.schema = config.schema
        self._settings = settings
        self.is_pooled = False  # known from the first connection on
        self.embedded: EmbeddedServer | None = None
        self._hosts = one_by_host(checked(config.dsn)) if config.dsn else []
        self._dsn = config.dsn
        if not config.dsn:
            data = home(config.data_directory) if config.data_directory else default_directory()
            self.embedded = EmbeddedServer(data, Path(config.postgres_bin) if config.postgres_bin else None)

    async def connect(self, purpose: str, *, is_engine: bool = False) -> Connection:
        """A connection that shows itself as "asyncjobd PURPOSE" in pg_stat_activity. Of several hosts it is
        the one that takes writes, unless the dsn has target_session_attrs."""
        if self.embedded is not None:
            await self.embedded.ensure()
            return await self._connect(self.embedded.dsn, purpose, is_engine)
        for host in list(self._hosts):
            try:
                connection = await self._connect(host, purpose, is_engine)
            except (OSError, asyncpg.PostgresError, asyncpg.InternalClientError) as error:
                failure = error.with_traceback(None)  # which is asyncpg's, some of whose frames hold the error
            else:
                self._hosts.sort(key=lambda each: each != host)  # the next time it is asked first
                return connection
        try:
            raise failure
        finally:
            del failure  # its traceback holds this frame: each would keep the other

    async def _connect(self, dsn: str, purpose: str, is_engine: bool) -> Connection:
        settings = {"application_name": f"asyncjobd {purpose}", "timezone": "UTC"}
        of_engine = self._engine_settings if is_engine else {}
        chooses = "target_session_attrs" not in dsn and (is_engine or len(self._hosts) > 1)
        target = SessionAttribute.read_write if chooses else None
        if not self.is_pooled:
            try:
                connection = await asyncpg.connect(
                    dsn, timeout=CONNECT_SECONDS, target_session_attrs=target,
                    server_settings=settings | of_engine | (SERVER_SIDE_KEEPALIVE if is_engine else {}),
                )  # fmt: skip
            except asyncpg.ProtocolViolationError as error:
                if "unsupported startup parameter" not in str(error):  # as pgbouncer says
                    raise
            else:
                _own(connection)
                if await _is_direct(connection):
                    for name, value in self._settings.items():  # not at the start: a pooler would refuse them
                        await connection.execute("select set_config($1, $2, false)", name, value)
                    return connection
                connection.terminate()
            self.is_pooled = True
        pooled = await asyncpg.connect(
            dsn, timeout=CONNECT_SECONDS, target_session_attrs=target, server_settings=settings,
            connection_class=PooledConnection, statement_cache_size=0,
        )  # fmt: skip
        pooled.settings = self.engine_settings if is_engine else ""
        _own(pooled)
        return pooled

    async def close(self) -> None:
        if self.embedded is not None:
            await self.embedded.stop()

    def query(self, name: str) -> str:
        """The statement of queries/NAME.sql."""
        return self.sql(statement(name))

    def sql(self, text: str) -> str:
        """SQL is written for the schema asyncjob; here it is turned to the configured one."""
        return text if self.schema == "asyncjob" else re.sub(r"\basyncjob(?![a-z])", self.schema, text)

    def channel(self, daemon_id: int | None = None) -> str:
        """Where rows that become ready or due are announced; with a daemon, where it is told of stops."""
        return self.schema if daemon_id is None else f"{self.schema}:{daemon_id}"

    @property
    def engine_settings(self) -> str:
        """As statements for a transaction that is to do what the engine does."""
        return "".join(f"set local {name} = '{value}';" for name, value in self._engine_settings.items())

    @property
    def _engine_settings(self) -> dict[str, str]:
        return {self.sql(name): value for name, value in ENGINE_SETTINGS.items()}

    @property
    def psql(self) -> str:
        """The command that reaches it."""
        return self.embedded.psql if self.embedded is not None else f"psql '{self.address}'"

    @property
    def dsn(self) -> str:
        return self.embedded.dsn if self.embedded is not None else self._dsn

    @property
    def address(self) -> str:
        """The dsn without its password."""
        return without_password(self.dsn)


async def _is_direct(connection: Connection) -> bool:
    """A pooler gives its clients a key of its own for cancelling, in which the server's process id is not."""
    try:
        async with until(CONNECT_SECONDS, connection):
            unnamed = await connection.prepare("select pg_backend_pid()", name="")
            return bool(await unnamed.fetchval() == connection.get_server_pid())
    except BaseException:
        connection.terminate()
        raise


def _own(connection: Connection) -> None:
    """Keep its TCP session alive, for which asyncpg has no option; and let no child process do so."""
    withhold(connection, _descriptor)
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


@cache
def statement(name: str) -> str:
    return (files("asyncjobd.postgres") / "queries" / f"{name}.sql").read_text(encoding="utf-8")
