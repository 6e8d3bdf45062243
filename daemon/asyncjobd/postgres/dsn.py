"""A dsn: checked, shown without its password, and taken apart host by host into what asyncpg takes.

It may be written as for libpq: as keywords, and with keys that asyncpg does not know. Of those, what asks for nothing
that is not so anyway is left out, some are heeded, and the rest is refused.
"""

import re
from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit

from asyncjobd.config.errors import ConfigError

SHOWN_KEYS = {"host", "port", "user", "dbname", "database", "sslmode", "target_session_attrs"}  # in logs
PLACE_KEYS = {"host", "port", "dbname", "database", "service"}
CONNECT_SECONDS = 5.0  # that a host gets to answer, where connect_timeout does not say
LONGEST_CONNECT = 30.0

# Keys of libpq and of other programs that asyncpg would send as settings of the server, and the values that ask for
# nothing; None: any. Sessions have names, keepalives and UTF-8 of our own; a pooler is found out; of several hosts the
# one that takes writes is used, whichever is asked first.
LEFT_OUT: dict[str, set[str] | None] = {
    "application_name": None, "fallback_application_name": None, "client_encoding": None,
    "keepalives": None, "keepalives_idle": None, "keepalives_interval": None, "keepalives_count": None,
    "tcp_user_timeout": None, "load_balance_hosts": None, "pgbouncer": None,
    "sslcompression": None, "max_protocol_version": None, "min_protocol_version": {"3.0"},
    "sslsni": {"1"}, "sslcertmode": {"allow"}, "requiressl": {"0"}, "gssencmode": {"disable", "prefer"},
    "gssdelegation": {"0"}, "channel_binding": {"disable", "prefer"},
    "hostaddr": set(), "oauth_client_id": set(), "oauth_client_secret": set(), "oauth_issuer": set(),
    "oauth_scope": set(), "replication": set(), "require_auth": set(), "requirepeer": set(),
    "scram_client_key": set(), "scram_server_key": set(), "servicefile": set(), "sslcrldir": set(),
    "sslkeylogfile": set(),
}  # fmt: skip
INSTEAD = {
    "channel_binding": "leave it out; sslmode=verify-full makes sure of the server",
    "hostaddr": "write the address as the host",
    "requiressl": "write sslmode=require",
    "servicefile": "set $PGSERVICEFILE",
}

_HOST = re.compile(r"(?:\[[^]]*]|[^][:]*)(?::(?P<port>[0-9]{1,5}))?")
_KEYWORD = re.compile(r"\s*(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)", re.DOTALL)


class Way(NamedTuple):
    """To a database, as asyncpg takes it."""

    dsn: str
    timeout: float = CONNECT_SECONDS
    ssl: bool | None = (
        None  # True: its certificate must be its own, by the authorities that this machine trusts
    )


def checked(dsn: str) -> str:
    """The dsn as a URI, if it can be taken apart without doubt; its text is in no error, as a part of it may be a
    password."""
    uri = _from_keywords(dsn) or dsn
    try:
        parts = urlsplit(uri)
        is_clear = (
            uri.startswith(("postgresql://", "postgres://"))
            and "@" not in parts.path + parts.query + parts.fragment
            and all(map(_is_pair, parts.query.split("&") if parts.query else ()))
        )
    except ValueError:
        is_clear = False
    if not is_clear or parts.fragment or not all(map(_is_host, _hosts(parts))):
        raise ConfigError(
            "[database] dsn: expected postgresql://user:password@host:port/database?key=value, the port a number, "
            "with / ? # and @ in the password written as %2F %3F %23 and %40"
        )
    way(uri)
    return uri


def without_password(dsn: str) -> str:
    parts = urlsplit(dsn)
    user, _, hosts = parts.netloc.rpartition("@")
    user = user.partition(":")[0] + (":***@" if ":" in user else "@" if user else "")
    shown = [pair for pair in parts.query.split("&") if pair.partition("=")[0] in SHOWN_KEYS]
    return _joined(parts._replace(netloc=user + hosts, query="&".join(shown)))


def place(dsn: str) -> tuple[str, ...]:
    """Which database it is, whoever logs in; one that is not named has the name of the user."""
    parts = urlsplit(dsn)
    user, _, hosts = parts.netloc.rpartition("@")
    keys = sorted(pair for pair in parts.query.split("&") if _key(pair) in PLACE_KEYS)
    return (hosts, parts.path.strip("/") or user.partition(":")[0], *keys)


def ways(dsn: str) -> list[Way]:
    """One to each host that is named before the path: one that does not answer must not use up the others' time."""
    whole = way(dsn)
    parts = urlsplit(whole.dsn)
    user, at, _ = parts.netloc.rpartition("@")
    return [whole._replace(dsn=_joined(parts._replace(netloc=user + at + host))) for host in _hosts(parts)]


def way(dsn: str) -> Way:
    """Without the keys that asyncpg does not know. Raises ConfigError."""
    parts = urlsplit(dsn)
    given = {_key(pair): unquote(pair.partition("=")[2]) for pair in parts.query.split("&")}
    is_by_system = given.get("sslrootcert") == "system"
    if is_by_system and given.get("sslmode", "verify-full") != "verify-full":
        raise ConfigError("[database] dsn: sslrootcert=system: expected sslmode=verify-full beside it")
    taken = {"connect_timeout", "sslrootcert", "sslmode"} if is_by_system else {"connect_timeout"}
    query = "&".join(
        pair for pair in parts.query.split("&") if _key(pair) not in taken and not _is_left_out(pair)
    )
    return Way(_joined(parts._replace(query=query)), _timeout(given), is_by_system or None)


def _is_left_out(pair: str) -> bool:
    key, value = _key(pair), unquote(pair.partition("=")[2])
    if key not in LEFT_OUT:
        return False
    harmless = LEFT_OUT[key]
    if harmless is None or value in harmless:
        return True
    raise ConfigError(
        f"[database] dsn: {key}: what it asks for cannot be done: {INSTEAD.get(key, 'leave it out')}"
    )


def _timeout(given: dict[str, str]) -> float:
    """By libpq's connect_timeout, to which 0 is no limit."""
    text = given.get("connect_timeout", "0")
    if not re.fullmatch(r"-?\d{1,9}", text):
        raise ConfigError("[database] dsn: connect_timeout: expected a number of seconds")
    return min(float(text), LONGEST_CONNECT) if float(text) > 0 else CONNECT_SECONDS


def _from_keywords(dsn: str) -> str | None:
    """The URI of a text such as "host=localhost dbname=jobs password='a b'"; None of what is none."""
    found = list(_KEYWORD.finditer(dsn))
    if not found or "".join(match[0] for match in found) != dsn.rstrip():
        return None
    values = {
        match[1]: re.sub(r"\\(.)", r"\1", match[2] if match[3] is None else match[3]) for match in found
    }
    login = quote(values.pop("user", ""), safe="")
    if password := values.pop("password", ""):
        login += f":{quote(password, safe='')}"
    places = (
        _places(values.pop("host").split(","), values.pop("port", "").split(",")) if "host" in values else ""
    )
    path = quote(values.pop("dbname", ""), safe="")
    query = "&".join(f"{key}={quote(value, safe='')}" for key, value in values.items())
    return _joined(SplitResult("postgresql", f"{login}@{places}" if login else places, f"/{path}", query, ""))


def _places(hosts: list[str], ports: list[str]) -> str:
    if len(ports) not in {1, len(hosts)}:
        raise ConfigError(f"[database] dsn: port: expected one port, or one for each of {len(hosts)} hosts")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    encoded = [f"[{host}]" if ":" in host else quote(host, safe="") for host in hosts]
    return ",".join(f"{host}:{port}" if port else host for host, port in zip(encoded, ports, strict=True))


def _is_pair(pair: str) -> bool:
    """Which asyncpg does not fail over without a word that we know."""
    key, equals, value = map(unquote, pair.partition("="))
    is_place = key != "port" or re.fullmatch(r"\d{1,5}(,\d{1,5})*", value)
    return bool(equals and is_place and (key != "host" or all(value.split(","))))


def _key(pair: str) -> str:
    return unquote(pair.partition("=")[0])


def _hosts(parts: SplitResult) -> list[str]:
    return parts.netloc.rpartition("@")[2].split(",")


def _is_host(text: str) -> bool:
    match = _HOST.fullmatch(text)
    return match is not None and int(match["port"] or 0) <= 65535


def _joined(parts: SplitResult) -> str:
    """Also where no host is named: the socket's dsn, whose // urlunsplit leaves out."""
    return f"{parts.scheme}://{parts.netloc}{parts.path}" + (f"?{parts.query}" if parts.query else "")
