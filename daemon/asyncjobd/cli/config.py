"""`asyncjobd config init` and `config check`."""

from importlib.resources import files
from pathlib import Path

import click

from asyncjobd.actions.catalog import load_actions
from asyncjobd.cli.environment import WRONG_CONFIG, Environment, Failure
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.load import load_config
from asyncjobd.observability.metrics.server import collector_class
from asyncjobd.postgres.dsn import normalize_dsn


@click.group()
def config() -> None:
    """Make or check a configuration file."""


@config.command()
@click.argument("path", type=click.Path(path_type=Path), default="config.toml")
def init(path: Path) -> None:
    """Write a commented configuration file to PATH (default: config.toml)."""
    try:
        with path.open("x") as file:
            file.write((files("asyncjobd") / "config.example.toml").read_text(encoding="utf-8"))
    except FileExistsError:
        raise Failure(f"{path} exists already") from None
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from error
    click.echo(f"wrote {path}; use it with --config {path}")


@config.command()
@click.pass_obj
def check(environment: Environment) -> None:
    """Check the configuration, and import every handler."""
    if environment.config_path is None:
        raise Failure("there is no configuration file: make one with `asyncjobd config init`", WRONG_CONFIG)
    try:
        config = load_config(environment.config_path)
        actions = load_actions(config)
        collector_class(config)
        if config.database.dsn:
            normalize_dsn(config.database.dsn)
    except ConfigError as error:
        raise Failure(str(error), WRONG_CONFIG) from error
    click.echo(f"{environment.config_path}: good, {len(actions)} actions")
