"""Completes arguments in the shell. It asks no database, which would keep people waiting."""

import click

from asyncjobd.config.errors import ConfigError
from asyncjobd.config.load import find_config, load_config


def complete_action(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the actions of the configuration that begin so; none where it cannot be read."""
    try:
        config = load_config(context.find_root().params.get("config_path") or find_config())
    except ConfigError:
        return []
    return [name for name in config.actions if name.startswith(incomplete)]
