"""Loads the configuration: one hand-written TOML file, and beside it actions.d/*.toml, one action a file."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from asyncjobd.config.errors import ConfigError
from asyncjobd.config.model import (
    ActionConfig,
    Config,
    DaemonConfig,
    DatabaseConfig,
    LoggingConfig,
    MetricsConfig,
    RetentionConfig,
    ScheduleConfig,
)
from asyncjobd.config.names import MOST_OF_A_NAME, MOST_OF_A_SCHEDULE, check_name
from asyncjobd.config.reserved_words import RESERVED
from asyncjobd.config.tables import TableError, to_struct, unknown_key
from asyncjobd.config.toml import read_toml
from asyncjobd.config.web import WebConfig
from asyncjobd.config.words import shown

S = TypeVar("S", bound=msgspec.Struct)

TABLES = ("database", "daemon", "retention", "logging", "metrics", "web", "actions", "schedules")

_SCHEMA = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,39}")


class Layer(NamedTuple):
    """One file's table of an action. A later file is laid over an earlier one, key by key."""

    path: Path
    where: str  # the name of the table; empty: the whole file
    table: Any


def find_config() -> Path | None:
    """Return the file that is used if none is named: the user's, else the machine's; None without either."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    for name in (f"{home}/asyncjobd/config.toml", "/etc/asyncjobd/config.toml"):
        if os.access(path := Path(os.path.expanduser(name)), os.R_OK):  # noqa: PTH111
            return path
    return None


def load_config(path: Path | None, changed: Mapping[Path, dict[str, Any]] | None = None) -> Config:
    """Return the configuration of a file and its drop-ins; without a file, the defaults.

    `changed` are drop-ins in place of those on disk. Raise ConfigError with all that is wrong in the files.
    """
    return Config() if path is None else _Loader(path).load(changed or {})


class _Loader:
    """Loads one file and its drop-ins, and keeps what is wrong until all is read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._problems: list[str] = []

    def load(self, changed: Mapping[Path, dict[str, Any]]) -> Config:
        document = read_toml(self._path)
        for key in document:
            if key not in TABLES:
                self._refuse(self._path, "", "", unknown_key(key, TABLES))
        database = self._table(DatabaseConfig, document, "database")
        daemon = self._table(DaemonConfig, document, "daemon")
        retention = self._table(RetentionConfig, document, "retention")
        logging = self._table(LoggingConfig, document, "logging")
        metrics = self._table(MetricsConfig, document, "metrics")
        web = self._table(WebConfig, document, "web")
        self._check(database, metrics, web)
        layers = self._layers(document.get("actions", {}), changed)
        actions = {
            name: action
            for name in sorted(layers)
            if (action := self._action(name, layers[name])) is not None
        }
        schedules = self._schedules(document.get("schedules", {}))
        if self._problems:
            raise ConfigError(*self._problems)
        origins = {
            name: {key: file for file, _, table in each for key in table} for name, each in layers.items()
        }
        return Config(
            database, daemon, retention, logging, metrics, web, actions, schedules, self._path, origins
        )

    def _refuse(self, path: Path, where: str, key: str, reason: str) -> None:
        place = " ".join(filter(None, (where, key)))
        self._problems.append(": ".join(filter(None, (str(path), place, reason))))

    def _table(self, kind: type[S], document: Mapping[str, Any], name: str) -> S:
        """Return a table of the file as a struct; the defaults where it is wrong, which is noted."""
        return self._struct(kind, document.get(name, {}), f"[{name}]") or kind()

    def _struct(self, kind: type[S], table: Any, where: str) -> S | None:
        """Return a table of the file as a struct; None where it is wrong, which is noted."""
        if not isinstance(table, dict):
            self._refuse(self._path, where, "", f"{shown(table)}: expected a table")
            return None
        try:
            return to_struct(kind, table)
        except TableError as error:
            for key, reason in error.problems:
                self._refuse(self._path, where, key, reason)
            return None

    def _check(self, database: DatabaseConfig, metrics: MetricsConfig, web: WebConfig) -> None:
        """Note values whose type is right, and whose text is not."""
        if not _SCHEMA.fullmatch(database.schema):
            reason = f"{shown(database.schema)} is not a name of at most 40 of a-z, 0-9 and _, without pg_ in front"
            self._refuse(self._path, "[database]", "schema", reason)
        elif database.schema in RESERVED:
            reason = f"{shown(database.schema)} is a reserved word of PostgreSQL: take another name"
            self._refuse(self._path, "[database]", "schema", reason)
        if metrics.listen and metrics.address is None:
            reason = f'{shown(metrics.listen)} is not host:port, such as "127.0.0.1:9464" or "[::1]:9464"'
            self._refuse(self._path, "[metrics]", "listen", reason)
        for key, reason in web.conflicts:
            self._refuse(self._path, "[web]", key, reason)

    def _schedules(self, tables: Any) -> dict[str, ScheduleConfig]:
        """Return the schedules of the file; without those that are wrong, which is noted."""
        if not isinstance(tables, dict):
            self._refuse(self._path, "[schedules]", "", f"{shown(tables)}: expected a table of schedules")
            tables = {}
        schedules = {}
        for name in sorted(tables):
            where = f"[schedules.{name}]"
            self._check_name(self._path, where, name, MOST_OF_A_SCHEDULE)
            schedule = self._struct(ScheduleConfig, tables[name], where)
            if schedule is not None and schedule.conflict is not None:
                self._refuse(self._path, where, *schedule.conflict)
            elif schedule is not None:
                schedules[name] = schedule
        return schedules

    def _layers(self, tables: Any, changed: Mapping[Path, dict[str, Any]]) -> dict[str, list[Layer]]:
        """Return what the files say of each action, the hand-written file first."""
        layers: dict[str, list[Layer]] = {}
        if not isinstance(tables, dict):
            self._refuse(self._path, "[actions]", "", f"{shown(tables)}: expected a table of actions")
            tables = {}
        for name, table in tables.items():
            layers[name] = [Layer(self._path, f"[actions.{name}]", table)]
        drop_ins: dict[Path, Any] = {}
        for path in self._drop_ins():
            try:
                drop_ins[path] = changed[path] if path in changed else read_toml(path)
            except ConfigError as error:
                self._problems += error.problems
        for path, table in (drop_ins | dict(changed)).items():
            layers.setdefault(path.stem, []).append(Layer(path, "", table))
        return layers

    def _drop_ins(self) -> list[Path]:
        folder = self._path.parent / "actions.d"
        try:
            return sorted(entry for entry in folder.iterdir() if entry.suffix == ".toml")
        except FileNotFoundError:
            return []
        except OSError as error:
            self._problems.append(f"{folder}: {error.strerror}")
            return []

    def _check_name(self, path: Path, where: str, name: str, most: int = MOST_OF_A_NAME) -> None:
        try:
            check_name(name, most)
        except ValueError as error:
            self._refuse(path, where, "", f"the name {error}")

    def _action(self, name: str, layers: list[Layer]) -> ActionConfig | None:
        """Return an action; None where it is wrong, which is noted with the file that has the key."""
        merged: dict[str, Any] = {}
        origins: dict[str, Layer] = {}
        self._check_name(layers[0].path, layers[0].where, name)
        for layer in layers:
            if not isinstance(layer.table, dict):
                self._refuse(layer.path, layer.where, "", f"{shown(layer.table)}: expected a table")
                return None
            merged |= layer.table
            origins |= dict.fromkeys(layer.table, layer)
        known = {key: value for key, value in merged.items() if key in ActionConfig.__struct_fields__}
        for key, layer in origins.items():
            if key not in known:
                self._refuse(layer.path, layer.where, "", unknown_key(key, ActionConfig.__struct_fields__))
        if "handler" not in known:
            if len(known) == len(merged):  # otherwise it may be the unknown key
                self._refuse(
                    layers[0].path, layers[0].where, "", 'handler is missing: write "module:attribute"'
                )
            return None
        return self._decoded(known, origins)

    def _decoded(self, table: dict[str, Any], origins: Mapping[str, Layer]) -> ActionConfig | None:
        try:
            action = to_struct(ActionConfig, table)
        except TableError as error:
            for key, reason in error.problems:
                self._refuse(origins[key].path, origins[key].where, key, reason)
            return None
        if action.memory_limit is not None and action.isolation != "process":
            layer = origins["memory_limit"]
            reason = 'only a process of its own can have one: add isolation = "process"'
            self._refuse(layer.path, layer.where, "memory_limit", reason)
        return action
