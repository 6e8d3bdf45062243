"""The database: how to connect to it, and its statements."""

import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from asyncjobd.config import ConfigError, DatabaseConfig
from asyncjobd.postgres.embedded import EmbeddedServer, default_directory

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CONNECT_SECONDS = 10
SHOWN_KEYS = {"host", "port", "user", "dbname", "database", "sslmode", "target_session_attrs"}  # of a dsn, in logs

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


class Database:
    """One database, given by its dsn or served by the embedded server."""

    def __init__(self, config: DatabaseConfig) -> None:
        self.schema = config.schema
        self._dsn = _checked(config.dsn) if config.dsn else ""
        self.embedded: EmbeddedServer | None = None
        if not config.dsn:
            data = Path(config.data_directory).expanduser() if config.data_directory else default_directory()
            self.embedded = EmbeddedServer(data, Path(config.postgres_bin) if config.postgres_bin else None)

    async def connect(self, purpose: str, *, is_engine: bool = False) -> Connection:
        """A connection that shows itself as "asyncjobd PURPOSE" in pg_stat_activity."""
        if self.embedded is not None:
            await self.embedded.ensure()
        settings = {"application_name": f"asyncjobd {purpose}", "timezone": "UTC"}
        if is_engine:
            settings |= {self.sql(name): value for name, value in ENGINE_SETTINGS.items()}
        return await asyncpg.connect(self._url, server_settings=settings, timeout=CONNECT_SECONDS)

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
    def psql(self) -> str:
        """The command that reaches it."""
        return self.embedded.psql if self.embedded is not None else f"psql '{self.address}'"

    @property
    def address(self) -> str:
        """The dsn without its password."""
        return _without_password(self._url)

    @property
    def _url(self) -> str:
        return self.embedded.dsn if self.embedded is not None else self._dsn


def _checked(dsn: str) -> str:
    """The dsn, if it can be taken apart without doubt; its text is in no error, as a part of it may be a password."""
    try:
        parts = urlsplit(dsn)
        is_clear = (
            dsn.startswith(("postgresql://", "postgres://")) and "@" not in parts.path + parts.query + parts.fragment
        )
    except ValueError:
        is_clear = False
    if not is_clear or parts.fragment:
        raise ConfigError(
            "[database] dsn: expected postgresql://user:password@host:port/database?key=value, "
            "with / ? # and @ in the password written as %2F %3F %23 and %40"
        )
    return dsn


def _without_password(dsn: str) -> str:
    parts = urlsplit(dsn)
    user, _, hosts = parts.netloc.rpartition("@")
    user = user.partition(":")[0] + (":***@" if ":" in user else "@" if user else "")
    shown = [pair for pair in parts.query.split("&") if pair.partition("=")[0] in SHOWN_KEYS]
    return urlunsplit((parts.scheme, user + hosts, parts.path, "&".join(shown), ""))


@cache
def statement(name: str) -> str:
    return (files("asyncjobd.postgres") / "queries" / f"{name}.sql").read_text(encoding="utf-8")
