"""Data source names: validated, shown without password, and converted into arguments of asyncpg.connect.

A dsn may be written as for libpq: as a URI or as keywords, and with keys that asyncpg does not know. asyncpg
would send such keys to the server as settings. Keys that change nothing are therefore removed, a few are
implemented here, and the rest is refused.
"""

import re
from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit

from asyncjobd.config.errors import ConfigError

# The keys that are shown in logs; others may be secret.
SHOWN_KEYS = {"host", "port", "user", "dbname", "database", "sslmode", "target_session_attrs"}
TARGET_KEYS = {"host", "port", "dbname", "database", "service"}  # the keys that select the database
CONNECT_SECONDS = 5.0  # the time for a host to answer, unless connect_timeout says otherwise
MAX_CONNECT_SECONDS = 30.0  # the limit of connect_timeout

# Keys of libpq and of other programs that asyncpg does not know, with the values that change nothing; None:
# all. The daemon sets the names, keepalives and encoding of its sessions itself, detects a pooler by itself,
# and of several hosts uses the one that takes writes.
IGNORED_VALUES: dict[str, set[str] | None] = {
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
ADVICE = {
    "channel_binding": "remove it; sslmode=verify-full verifies the server",
    "hostaddr": "write the address as the host",
    "requiressl": "write sslmode=require",
    "servicefile": "set $PGSERVICEFILE",
}

_HOST = re.compile(r"(?:\[[^]]*]|[^][:]*)(?::(?P<port>[0-9]{1,5}))?")
_KEYWORD = re.compile(r"\s*(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)", re.DOTALL)


class ConnectArguments(NamedTuple):
    """Arguments of asyncpg.connect.

    Attributes:
        dsn: The dsn without the keys that asyncpg does not know.
        timeout: The time for the server to answer, in seconds.
        ssl: True verifies the server's certificate by the authorities that this machine trusts; None leaves
            it to the dsn.
    """

    dsn: str
    timeout: float = CONNECT_SECONDS
    ssl: bool | None = None


def normalize_dsn(dsn: str) -> str:
    """Return the dsn as a URI. Raise ConfigError if it is invalid, ambiguous or not supported.

    The error does not quote the dsn, as any part of it may be the password.
    """
    uri = _from_keywords(dsn) or dsn
    try:
        parts = urlsplit(uri)
        is_valid = (
            uri.startswith(("postgresql://", "postgres://"))
            and "@" not in parts.path + parts.query + parts.fragment
            and all(map(_is_pair, parts.query.split("&") if parts.query else ()))
        )
    except ValueError:
        is_valid = False
    if not is_valid or parts.fragment or not all(map(_is_host, _hosts(parts))):
        raise ConfigError(
            "[database] dsn: expected postgresql://user:password@host:port/database?key=value, the port a "
            "number, with / ? # and @ in the password written as %2F %3F %23 and %40"
        )
    connect_arguments(uri)
    return uri


def hide_password(dsn: str) -> str:
    """Return the dsn with *** for the password, and only with the keys that are known not to be secret."""
    parts = urlsplit(dsn)
    user, _, hosts = parts.netloc.rpartition("@")
    user = user.partition(":")[0] + (":***@" if ":" in user else "@" if user else "")
    shown = [pair for pair in parts.query.split("&") if pair.partition("=")[0] in SHOWN_KEYS]
    return _unsplit(parts._replace(netloc=user + hosts, query="&".join(shown)))


def target_database(dsn: str) -> tuple[str, ...]:
    """Return a key that is equal for two dsns of the same database, whoever logs in.

    A database that is not named has the name of the user.
    """
    parts = urlsplit(dsn)
    user, _, hosts = parts.netloc.rpartition("@")
    keys = sorted(pair for pair in parts.query.split("&") if _key(pair) in TARGET_KEYS)
    return (hosts, parts.path.strip("/") or user.partition(":")[0], *keys)


def connect_arguments_by_host(dsn: str) -> list[ConnectArguments]:
    """Return the arguments for each host named before the path, so that each host has the whole timeout."""
    whole = connect_arguments(dsn)
    parts = urlsplit(whole.dsn)
    user, at, _ = parts.netloc.rpartition("@")
    return [whole._replace(dsn=_unsplit(parts._replace(netloc=user + at + host))) for host in _hosts(parts)]


def connect_arguments(dsn: str) -> ConnectArguments:
    """Return the arguments for all hosts of the dsn. Raise ConfigError if a key is not supported."""
    parts = urlsplit(dsn)
    given = _given(parts)
    uses_system_roots = given.get("sslrootcert") == "system"
    if uses_system_roots and given.get("sslmode", "verify-full") != "verify-full":
        raise ConfigError("[database] dsn: sslrootcert=system: expected sslmode=verify-full beside it")
    taken = {"connect_timeout", "sslrootcert", "sslmode"} if uses_system_roots else {"connect_timeout"}
    query = "&".join(
        pair for pair in parts.query.split("&") if _key(pair) not in taken and not _is_ignored(pair)
    )
    return ConnectArguments(_unsplit(parts._replace(query=query)), _timeout(given), uses_system_roots or None)


def socket_of(dsn: str) -> str | None:
    """Return the path of the socket that a dsn with one host names; None where it names no folder of sockets."""
    parts = urlsplit(dsn)
    given = _given(parts)
    named, _, port = parts.netloc.rpartition("@")[2].partition(":")
    folder = given.get("host") or unquote(named)
    return f"{folder}/.s.PGSQL.{given.get('port') or port or 5432}" if folder.startswith("/") else None


def _given(parts: SplitResult) -> dict[str, str]:
    """Return the keys and values of the query."""
    return {_key(pair): unquote(pair.partition("=")[2]) for pair in parts.query.split("&")}


def _is_ignored(pair: str) -> bool:
    """Return whether a key and value can be removed. Raise ConfigError if the value is not supported."""
    key, value = _key(pair), unquote(pair.partition("=")[2])
    if key not in IGNORED_VALUES:
        return False
    ignored = IGNORED_VALUES[key]
    if ignored is None or value in ignored:
        return True
    raise ConfigError(f"[database] dsn: {key}: this value is not supported: {ADVICE.get(key, 'remove it')}")


def _timeout(given: dict[str, str]) -> float:
    """Return the timeout in seconds by libpq's connect_timeout; 0 and less mean the default."""
    text = given.get("connect_timeout", "0")
    if not re.fullmatch(r"-?\d{1,9}", text):
        raise ConfigError("[database] dsn: connect_timeout: expected a number of seconds")
    return min(float(text), MAX_CONNECT_SECONDS) if float(text) > 0 else CONNECT_SECONDS


def _from_keywords(dsn: str) -> str | None:
    """Return the URI for keywords such as "host=localhost password='a b'", or None for other text."""
    found = list(_KEYWORD.finditer(dsn))
    if not found or "".join(match[0] for match in found) != dsn.rstrip():
        return None
    values = {
        match[1]: re.sub(r"\\(.)", r"\1", match[2] if match[3] is None else match[3]) for match in found
    }
    login = quote(values.pop("user", ""), safe="")
    if password := values.pop("password", ""):
        login += f":{quote(password, safe='')}"
    hosts = (
        _host_list(values.pop("host").split(","), values.pop("port", "").split(","))
        if "host" in values
        else ""
    )
    path = quote(values.pop("dbname", ""), safe="")
    query = "&".join(f"{key}={quote(value, safe='')}" for key, value in values.items())
    return _unsplit(SplitResult("postgresql", f"{login}@{hosts}" if login else hosts, f"/{path}", query, ""))


def _host_list(hosts: list[str], ports: list[str]) -> str:
    if len(ports) not in {1, len(hosts)}:
        raise ConfigError(f"[database] dsn: port: expected one port, or one for each of {len(hosts)} hosts")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    encoded = [f"[{host}]" if ":" in host else quote(host, safe="") for host in hosts]
    return ",".join(f"{host}:{port}" if port else host for host, port in zip(encoded, ports, strict=True))


def _is_pair(pair: str) -> bool:
    """Return whether a "key=value" of the query is well-formed; asyncpg's errors for others are obscure."""
    key, equals, value = map(unquote, pair.partition("="))
    is_valid_port = key != "port" or re.fullmatch(r"\d{1,5}(,\d{1,5})*", value)
    return bool(equals and is_valid_port and (key != "host" or all(value.split(","))))


def _key(pair: str) -> str:
    return unquote(pair.partition("=")[0])


def _hosts(parts: SplitResult) -> list[str]:
    return parts.netloc.rpartition("@")[2].split(",")


def _is_host(text: str) -> bool:
    match = _HOST.fullmatch(text)
    return match is not None and int(match["port"] or 0) <= 65535


def _unsplit(parts: SplitResult) -> str:
    """Return the URI; urlunsplit would omit the // of one without a host, which is that of a socket."""
    return f"{parts.scheme}://{parts.netloc}{parts.path}" + (f"?{parts.query}" if parts.query else "")
