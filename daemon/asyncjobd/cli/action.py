"""The commands on actions. They write drop-ins, actions.d/NAME.toml, and never the hand-written file."""

import os
import re
import shlex
import shutil
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import click
import msgspec
import tomli_w

from asyncjobd.cli.completion import complete_action
from asyncjobd.cli.environment import Environment, pass_environment
from asyncjobd.cli.failures import EXIT_CONFIG, EXIT_USAGE, Failure
from asyncjobd.cli.grid import Column, print_grid
from asyncjobd.cli.group import Group, json_option
from asyncjobd.cli.option_values import TRIES, limit_options
from asyncjobd.cli.printing import print_json, print_value, width
from asyncjobd.config.durations import DurationError, check_interval
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.load import load_config
from asyncjobd.config.model import LIMITS, Level
from asyncjobd.monitoring.json_schema.document import Document
from asyncjobd.monitoring.json_schema.example import example, fields
from asyncjobd.monitoring.limits import listed
from asyncjobd.monitoring.retries import delays, exceptions, has_backoff
from asyncjobd.monitoring.units import one_line
from asyncjobd.monitoring.values import text

Row = dict[str, Any]

# What `action show` says in one line, and what the table derives from it.
OF_LIMITS = {*LIMITS, "is_limited", "seconds_per_start", "seconds_per_start_per_key", "configured"}

# What `action list` says in two columns.
OF_RETRIES = {
    "retry_interval", "retry_backoff", "retry_interval_max", "retry_jitter", "fatal_exceptions", "retried_exceptions"
}  # fmt: skip


@click.group(cls=Group)
def action() -> None:
    """Map job names to handlers."""


@action.command("list")
@json_option
@pass_environment
def list_actions(environment: Environment, as_json: bool) -> None:
    """List the configured actions."""
    rows = [
        {
            "name": name,
            "handler": entry.handler,
            "is_active": entry.is_active,
            "retry_interval": entry.retry_interval,
            "retry_backoff": entry.retry_backoff,
            "retry_interval_max": entry.retry_interval_max,
            "retry_jitter": entry.retry_jitter,
            "fatal_exceptions": entry.fatal_exceptions,
            "retried_exceptions": entry.retried_exceptions,
            "max_execution_count": entry.max_execution_count,
            "is_recursive": entry.is_recursive,
            "timeout": entry.timeout,
            "limits": listed(entry.limits) if entry.limits else None,
            "isolation": entry.isolation,
            "memory_limit": entry.memory_limit,
            "log_level": entry.log_level,
        }
        for name, entry in environment.config.actions.items()
    ]
    if as_json:
        print_json(rows)
    else:
        _print_actions(rows)


@action.command()
@click.argument("name", shell_complete=complete_action)
@json_option
@pass_environment
def show(environment: Environment, name: str, as_json: bool) -> None:
    """Show what a job called NAME takes, as the daemons that serve it say in the database."""
    row = environment.run(_published(environment, name))
    schema = msgspec.json.decode(row.pop("params_schema") or "{}")
    document = Document(schema)
    found = [field._asdict() for field in fields(document)]
    command = None
    if document.is_complete:
        sample = msgspec.json.encode(example(document)).decode()
        command = f"asyncjobd enqueue {shlex.quote(name)} {shlex.quote(sample)}"
    if as_json:
        print_json(
            row
            | {
                "description": document.description,
                "fields": found,
                "example": command,
                "params_schema": schema,
            }
        )
        return
    limits = {name: row[name] for name in LIMITS if row[name] is not None}
    shown = {key: value for key, value in row.items() if key not in OF_LIMITS}
    for key, value in (shown | {"limits": listed(limits), "description": document.description}).items():
        if value is not None:
            print_value(key, text(value), width(), indent=22)
    click.echo()
    if found:
        _print_fields(found)
    else:
        print_value("params", _undeclared(document), width(), indent=22)
    click.echo(f"\n{command}" if command else "")


def _undeclared(document: Document) -> str:
    if document.is_complete:
        return document.type_of(document.root)
    return (
        f"{document.type_of(document.root)}; which fields the handler needs is not declared: see its code. "
        "A params type such as a msgspec.Struct, a dataclass or a TypedDict would say it here and check it"
    )


def _print_actions(rows: Sequence[Row]) -> None:
    """Print actions in one line each; columns that none has set are left out."""
    columns = [
        Column("ACTION", gives=True), Column("handler", gives=True), Column("active"), Column("retry interval"),
        Column("exceptions", gives=True), Column("tries", "right"), Column("recursive"), Column("timeout"),
        Column("limits"), Column("isolation"), Column("memory limit"), Column("log level"),
    ]  # fmt: skip
    cells = [
        [one_line("" if value == "none" else text(value)) for value in _in_words(row).values()]
        for row in rows
    ]
    print_grid(columns, cells, empty="no actions")


def _in_words(row: Row) -> Row:
    """Return a row with what its action does about failures in two columns."""
    before = {key: row[key] for key in ("name", "handler", "is_active")}
    retry_interval = delays(row) if has_backoff(row) else row["retry_interval"]
    after = {key: value for key, value in row.items() if key not in OF_RETRIES}
    return before | {"retry_interval": retry_interval, "exceptions": exceptions(row)} | after


def _print_fields(found: Sequence[Row]) -> None:
    columns = [
        Column("PARAM", gives=True), Column("type", gives=True), Column("required"), Column("default"),
        Column("limits", gives=True), Column("description", gives=True),
    ]  # fmt: skip
    print_grid(
        columns, [[one_line(text(value)) for value in field.values()] for field in found], empty="none"
    )


async def _published(environment: Environment, name: str) -> dict[str, Any]:
    async with environment.client() as client:
        rows = await client.pool.fetch("inspect/get_action", name=name)
        if not rows:
            raise Failure(
                f"no daemon has ever served an action {name!r}: `asyncjobd status` lists those there are"
            )
        return dict(rows[0])


@action.command()
@click.argument("name")
@click.argument("handler", metavar="MODULE:ATTRIBUTE")
@click.option("--retry-interval", metavar="DURATION", help='Time between tries, such as "90 s" or "1 month".')
@click.option(
    "--retry-backoff", type=float, metavar="FACTOR", help="What each retry multiplies it by, from 1 on."
)
@click.option("--retry-interval-max", metavar="DURATION", help="The longest that it may become.")
@click.option(
    "--retry-jitter", type=float, metavar="SHARE", help="By what share a retry may come earlier, from 0 to 1."
)
@click.option(
    "--fatal-exception",
    "fatal_exceptions",
    multiple=True,
    metavar="MODULE:CLASS",
    help="An exception that fails a job at once; may be repeated.",
)
@click.option(
    "--retried-exception",
    "retried_exceptions",
    multiple=True,
    metavar="MODULE:CLASS",
    help="One that is retried, though a class above it is fatal; may be repeated.",
)
@click.option("--max-execution-count", type=TRIES, help="How often a job is tried.")
@click.option(
    "--recursive", "is_recursive", is_flag=True, default=None, help="Repeat jobs at their retry interval."
)
@click.option("--timeout", metavar="DURATION", help='The longest execution, such as "10 min".')
@limit_options(takes_none=False)
@click.option("--options", help="A JSON object of the handler's options.")
@click.option("--isolation", type=click.Choice(["process"]), help="Run it in processes of its own.")
@click.option("--memory-limit", metavar="SIZE", help='The memory of each of these, such as "512 MB".')
@click.option("--log-level", type=click.Choice(get_args(Level)), help="Log of it what is at least as grave.")
@pass_environment
def add(environment: Environment, /, name: str, handler: str, **defaults: Any) -> None:
    """Serve jobs called NAME with a handler."""
    if name in environment.config.actions:
        raise Failure(f"there is an action {name!r} already")
    given = {key: value for key, value in defaults.items() if value not in (None, ())}
    for key in given.keys() & {"retry_interval", "retry_interval_max", "timeout"}:
        _check_duration(key, given[key])
    if "options" in given:
        given["options"] = _object(given["options"])
    _write(environment, name, {"handler": handler, **given})


@action.command()
@click.argument("name", shell_complete=complete_action)
@pass_environment
def enable(environment: Environment, name: str) -> None:
    """Serve NAME again."""
    _write(environment, name, {"is_active": True})


@action.command()
@click.argument("name", shell_complete=complete_action)
@pass_environment
def disable(environment: Environment, name: str) -> None:
    """Stop serving NAME: its jobs wait."""
    _write(environment, name, {"is_active": False})


def _object(text: str) -> dict[str, Any]:
    try:
        options = msgspec.json.decode(text, type=dict[str, Any])
        tomli_w.dumps(options)
    except (msgspec.DecodeError, TypeError) as error:
        raise click.UsageError(
            f"--options {text!r} is not a JSON object that TOML can hold: {error}"
        ) from error
    return options


def _check_duration(name: str, value: str) -> None:
    """Raise UsageError, which says what to write, for a text that is no duration."""
    try:
        check_interval(value)
    except DurationError as error:
        raise click.UsageError(f"--{name.replace('_', '-')}: {error}") from error


def _replace(path: Path, text: str) -> None:
    """Write the text at once or not at all, as a daemon may read the file at any time.

    Whoever may read it, may read it still, and nobody else in the meantime.
    """
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(0o600 if path.exists() else 0o666, exist_ok=False)
    fresh.write_text(text)
    if path.exists():
        with suppress(PermissionError):
            os.chown(fresh, path.stat().st_uid, path.stat().st_gid)
        shutil.copymode(path, fresh)
    fresh.rename(path)


def _write(environment: Environment, name: str, keys: dict[str, Any]) -> None:
    """Write keys into the drop-in, unless the configuration would be refused with them."""
    config = environment.config
    if config.path is None:
        raise Failure("there is no configuration file: make one with `asyncjobd config init`", EXIT_CONFIG)
    if not re.fullmatch(r"[^/\0.][^/\0]*", name):
        raise Failure(f"{name!r} cannot be the name of a file", EXIT_USAGE)
    if "handler" not in keys and name not in config.actions:
        raise Failure(f"there is no action {name!r}")
    path = config.drop_in_directory / f"{name}.toml"
    try:
        document = (tomllib.loads(path.read_text()) if path.exists() else {}) | keys
        changed = load_config(config.path, {path: document})
        if "handler" in keys:
            # Here, as this import takes 0.2 s, which other commands need not wait
            from asyncjobd.actions.catalog import load_actions

            load_actions(changed)
        path.parent.mkdir(exist_ok=True)
        _replace(path, tomli_w.dumps(document))
    except (ConfigError, tomllib.TOMLDecodeError) as error:
        raise Failure(f"nothing was changed: {error}", EXIT_CONFIG) from error
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from error
    click.echo(f"wrote {path}; daemons that run with this configuration take it up within seconds")
