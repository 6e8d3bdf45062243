"""The commands on actions. They write drop-ins, actions.d/NAME.toml, and never the hand-written file."""

import os
import re
import shlex
import shutil
import tomllib
from contextlib import suppress
from typing import Any, get_args

import click
import msgspec
import tomli_w
from rich.console import Console
from rich.markup import escape

from asyncjobd.actions.catalog import load_actions
from asyncjobd.cli.environment import WRONG_CONFIG, WRONG_USAGE, Environment, Failure
from asyncjobd.cli.json_schema import example as recipe
from asyncjobd.cli.json_schema.document import Document
from asyncjobd.cli.printing import json_option, print_json, print_table, text
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.load import load_config
from asyncjobd.config.model import Level


@click.group()
def action() -> None:
    """Map job names to handlers."""


@action.command("list")
@json_option
@click.pass_obj
def list_actions(environment: Environment, as_json: bool) -> None:
    """List the configured actions."""
    rows = [
        {
            "name": name,
            "handler": entry.handler,
            "is_active": entry.is_active,
            "retry_interval": entry.retry_interval,
            "max_execution_count": entry.max_execution_count,
            "is_recursive": entry.is_recursive,
            "timeout": entry.timeout,
            "isolation": entry.isolation,
            "memory_limit": entry.memory_limit,
            "log_level": entry.log_level,
        }
        for name, entry in environment.config.actions.items()
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, empty="no actions")


@action.command()
@click.argument("name")
@json_option
@click.pass_obj
def show(environment: Environment, name: str, as_json: bool) -> None:
    """Show what a job called NAME takes, as the daemons that serve it say in the database."""
    row = environment.run(_published(environment, name))
    schema = msgspec.json.decode(row.pop("params_schema") or "{}")
    document = Document(schema)
    fields = [field._asdict() for field in recipe.fields(document)]
    example = msgspec.json.encode(recipe.example(document)).decode()
    command = f"asyncjobd enqueue {shlex.quote(name)} {shlex.quote(example)}"
    if as_json:
        shown = {
            "description": document.description,
            "fields": fields,
            "example": command,
            "params_schema": schema,
        }
        print_json(row | shown)
        return
    console = Console(highlight=False)
    for key, value in (row | {"description": document.description}).items():
        if value is not None:
            console.print(f"[bold]{key:22}[/] {escape(text(value))}", soft_wrap=True)
    print_table(fields, title="params", empty=f"{document.type_of(document.root)}; no fields are known")
    console.print(escape(command), soft_wrap=True)


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
@click.option("--retry-interval", help="Minutes, or a text such as '90 s'.")
@click.option("--max-execution-count", type=click.IntRange(1))
@click.option("--recursive", "is_recursive", is_flag=True, default=None)
@click.option("--timeout", help="Minutes, or a text such as '90 s'.")
@click.option("--options", help="A JSON object of the handler's options.")
@click.option("--isolation", type=click.Choice(["process"]), help="Run it in processes of its own.")
@click.option("--memory-limit", help="Of each of these: bytes, or a text such as '512 MB'.")
@click.option("--log-level", type=click.Choice(get_args(Level)), help="Of what is logged of it.")
@click.pass_obj
def add(environment: Environment, /, name: str, handler: str, **defaults: Any) -> None:
    """Serve jobs called NAME with a handler."""
    if name in environment.config.actions:
        raise Failure(f"there is an action {name!r} already")
    given = {key: value for key, value in defaults.items() if value is not None}
    keys = {key: _object(value) if key == "options" else _number(value) for key, value in given.items()}
    _write(environment, name, {"handler": handler, **keys})


@action.command()
@click.argument("name")
@click.pass_obj
def enable(environment: Environment, name: str) -> None:
    """Serve NAME again."""
    _write(environment, name, {"is_active": True})


@action.command()
@click.argument("name")
@click.pass_obj
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


def _number(value: Any) -> Any:
    """A text that is one, as a number."""
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value) if "." in value else int(value)
    return value


def _write(environment: Environment, name: str, keys: dict[str, Any]) -> None:
    """Lays keys into the drop-in, unless the configuration would be refused with them."""
    config = environment.config
    if config.path is None:
        raise Failure("there is no configuration file: make one with `asyncjobd config init`", WRONG_CONFIG)
    if not re.fullmatch(r"[^/\0.][^/\0]*", name):
        raise Failure(f"{name!r} cannot be the name of a file", WRONG_USAGE)
    if "handler" not in keys and name not in config.actions:
        raise Failure(f"there is no action {name!r}")
    path = config.drop_in_directory / f"{name}.toml"
    try:
        document = (tomllib.loads(path.read_text()) if path.exists() else {}) | keys
        changed = load_config(config.path, {path: document})
        if "handler" in keys:
            load_actions(changed)
        path.parent.mkdir(exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(tomli_w.dumps(document))
        if path.exists():  # who may read it, may read it still
            shutil.copymode(path, fresh)
            with suppress(PermissionError):
                os.chown(fresh, path.stat().st_uid, path.stat().st_gid)
        fresh.rename(path)  # at once or not at all: a daemon may read it at any time
    except (ConfigError, tomllib.TOMLDecodeError) as error:
        raise Failure(f"nothing was changed: {error}", WRONG_CONFIG) from error
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from error
    click.echo(f"wrote {path}; daemons that run with this configuration take it up within seconds")
