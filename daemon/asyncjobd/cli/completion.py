"""Complete the names of actions in a shell, by the configuration alone: a query would keep people waiting."""

import click

from asyncjobd.cli.group import Options
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.load import find_config, load_config


def complete_action(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the actions whose names begin with `incomplete`; none where the configuration cannot be read."""
    after = context.find_object(Options)  # --config after the command
    before = context.find_root().params.get("config_path")
    try:
        path = (after and after.config_path) or before or find_config()
        config = load_config(path)
    except ConfigError:
        return []
    return [name for name in config.actions if name.startswith(incomplete)]
