"""What the reference says of the code, read from the code: keys, columns, metrics, log events, commands and findings."""

import ast
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import msgspec

from asyncjobd.actions.catalog import ActionCatalog
from asyncjobd.actions.controls import Controls
from asyncjobd.cli import failures, main, web
from asyncjobd.config import model
from asyncjobd.config.durations import format_duration
from asyncjobd.config.web import WebConfig
from asyncjobd.engine.jobs.slots import Slots
from asyncjobd.monitoring import doctor
from asyncjobd.observability.metrics.counters import ActionMetrics, DaemonMetrics
from asyncjobd.observability.metrics.prometheus import PrometheusCollector
from asyncjobd.observability.metrics.queue_sampler import QueueSampler
from asyncjobd.observability.metrics.queue_snapshot import Counts, QueueSnapshot, StorageSnapshot
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.link import Link
from asyncjobd.postgres.schema import drift
from asyncjobd.postgres.session import Session
from tests.docs.snippets import ROOT
from tests.docs.tables import Facts

CONFIGURATION: dict[str, type[msgspec.Struct]] = {
    "[database]": model.DatabaseConfig,
    "[daemon]": model.DaemonConfig,
    "[retention]": model.RetentionConfig,
    "[logging]": model.LoggingConfig,
    "[metrics]": model.MetricsConfig,
    "[web]": WebConfig,
    "[actions.NAME]": model.ActionConfig,
    "[schedules.NAME]": model.ScheduleConfig,
}
OPTIONAL = {"user_header", "groups_header"}  # their empty text is none

_COLUMN = re.compile(
    r"column asyncjob\.(\w+)\.(\w+): (.+?)(?= collate| not null| default| identity| generated|$)",
    re.MULTILINE,
)
_EVENT = re.compile(r'(?:\.(debug|info|warning|error|critical)|log_it|(info)_each)\(\s*"([a-z]+\.[a-z_]+)"')
_RENDERED_EVENT = re.compile(r'"level": "(\w+)", "event": "([a-z]+\.[a-z_]+)"')  # by the logging itself
_LEVELS = {"warning", "problem"}


def keys_of(kind: type[msgspec.Struct]) -> Facts:
    """Return the keys of a table of the configuration, with the defaults that are values."""
    return {field.name: _default(field) for field in msgspec.structs.fields(kind)}


def _default(field: Any) -> dict[str, str]:
    """Return the cell of a default. What None stands for is told by hand."""
    value = field.default
    if value is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    if value is msgspec.NODEFAULT:
        return {"default": "required"}
    if value is None or (value == "" and field.name in OPTIONAL):
        return {}
    match value:
        case bool() | int() | float():
            return {"default": str(value).lower()}
        case timedelta():
            return {"default": f'`"{format_duration(value)}"`'}
        case _:
            return {"default": f"`{json.dumps(value)}`"}


def columns_of(table: str) -> Facts:
    """Return the columns of a table of the schema, with their types."""
    objects = Path(drift.__file__).with_name(drift.FILE).read_text()
    return {
        column: {"type": kind.replace("timestamp with time zone", "timestamptz")}
        for of, column, kind in _COLUMN.findall(objects)
        if of == table
    }


def metrics() -> Facts:
    """Return all metrics that a daemon exports, with their labels."""
    counts = Counts(0, 0, 0, 0, 0, None, 0, False)
    link = Link(Database(model.DatabaseConfig(dsn="postgresql://nowhere")))
    counters = DaemonMetrics()
    counters.actions["a"] = ActionMetrics()
    controls = Controls()
    sampler = QueueSampler(Session(link, "sampler"), counters, is_shown=False, is_scraped=True)
    sampler.snapshot = QueueSnapshot(0, {"a": counts}, StorageSnapshot({"job": 0}, 0, 0))
    collector = PrometheusCollector(counters, ActionCatalog({}), Slots(1), sampler, controls, link)
    suffixes = {"counter": "_total", "info": "_info"}
    return {
        metric.name + suffixes.get(metric.type, ""): {
            "labels": ", ".join(f"`{label}`" for label in _labels(metric.samples))
        } if metric.samples else {}
        for metric in collector.collect()
    }  # fmt: skip


def _labels(samples: Any) -> list[str]:
    return [label for label in samples[0].labels if label != "le"]


def log_events() -> Facts:
    """Return all events of the log; with the level of those that have always the same."""
    levels: dict[str, set[str]] = {}
    for folder in ("daemon", "handlers"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            source = path.read_text()
            for level, each_level, event in _EVENT.findall(source):
                levels.setdefault(event, set()).add(level or each_level)
            for level, event in _RENDERED_EVENT.findall(source):
                levels.setdefault(event, set()).add(level)
    return {
        event: {"level": next(iter(found))} if len(found) == 1 and found != {""} else {}
        for event, found in levels.items()
    }


def commands() -> Facts:
    """Return the names of all commands."""
    return {name: {} for name in main.list_commands(click.Context(main))}


def exit_codes() -> Facts:
    """Return the exit codes of the command line."""
    codes = {0, 1, failures.EXIT_USAGE, failures.EXIT_NO_DATABASE, failures.EXIT_CONFIG, web.EXIT_NO_PAGE}
    return {str(code): {} for code in codes}


def findings() -> Facts:
    """Return what doctor's findings are about, with their levels, by the source of its checks."""
    levels: dict[str, set[str]] = {}
    for path in sorted(Path(doctor.__file__).parent.glob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for about, level in _told(function):
                    levels.setdefault(about, set()).update(level)
    return {
        about: {"level": ", ".join(level for level in ("warning", "problem") if level in found) or "ok"}
        for about, found in levels.items()
    }


def _told(function: ast.AST) -> Iterator[tuple[str, set[str]]]:
    """Yield each finding that a function makes: what it is about, and the levels it may have."""
    named = {
        node.targets[0].id: _levels(node.value)
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and node.args and isinstance(about := node.args[0], ast.Constant):
            levels = named.get(node.func.id, set()) if isinstance(node.func, ast.Name) else _levels(node.func)
            if levels and isinstance(about.value, str):
                yield about.value, levels & _LEVELS


def _levels(expression: ast.AST) -> set[str]:
    """Return the levels whose makers, such as Finding.problem, an expression names."""
    return {
        node.attr
        for node in ast.walk(expression)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Finding"
    }
