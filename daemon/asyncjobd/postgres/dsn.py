"""A dsn: checked, shown without its password, and taken apart host by host."""

import re
from urllib.parse import SplitResult, urlsplit

from asyncjobd.config import ConfigError

SHOWN_KEYS = {"host", "port", "user", "dbname", "database", "sslmode", "target_session_attrs"}  # in logs
_HOST = re.compile(r"(?:\[[^]]*]|[^][:]*)(?::(?P<port>[0-9]{1,5}))?")


def checked(dsn: str) -> str:
    """The dsn, if it can be taken apart without doubt; its text is in no error, as a part of it may be a password."""
    try:
        parts = urlsplit(dsn)
        is_clear = (
            dsn.startswith(("postgresql://", "postgres://")) and "@" not in parts.path + parts.query + parts.fragment
        )
    except ValueError:
        is_clear = False
    if not is_clear or parts.fragment or not all(map(_is_host, _hosts(parts))):
        raise ConfigError(
            "[database] dsn: expected postgresql://user:password@host:port/database?key=value, the port a number, "
            "with / ? # and @ in the password written as %2F %3F %23 and %40"
        )
    return dsn


def without_password(dsn: str) -> str:
    parts = urlsplit(dsn)
    user, _, hosts = parts.netloc.rpartition("@")
    user = user.partition(":")[0] + (":***@" if ":" in user else "@" if user else "")
    shown = [pair for pair in parts.query.split("&") if pair.partition("=")[0] in SHOWN_KEYS]
    return _joined(parts._replace(netloc=user + hosts, query="&".join(shown)))


def _hosts(parts: SplitResult) -> list[str]:
    return parts.netloc.rpartition("@")[2].split(",")


def _is_host(text: str) -> bool:
    match = _HOST.fullmatch(text)
    return match is not None and int(match["port"] or 0) <= 65535


def one_by_host(dsn: str) -> list[str]:
    """A dsn for each host that is named before the path: one that does not answer must not use up the others' time."""
    parts = urlsplit(dsn)
    user, at, _ = parts.netloc.rpartition("@")
    return [_joined(parts._replace(netloc=user + at + host)) for host in _hosts(parts)]


def _joined(parts: SplitResult) -> str:
    """Also where no host is named: the socket's dsn, whose // urlunsplit leaves out."""
    return f"{parts.scheme}://{parts.netloc}{parts.path}" + (f"?{parts.query}" if parts.query else "")
