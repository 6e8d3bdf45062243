"""What a daemon serves: job names, their handlers and the defaults of their rows."""

import sys
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass

from asyncjobd.config import ActionConfig, Config, ConfigError
from asyncjobd.handler import Handler, HandlerError, OptionsError, load_handler


@dataclass(frozen=True, slots=True)
class Action:
    name: str
    config: ActionConfig
    handler: Handler


def load_actions(config: Config, threads: Executor | None = None) -> dict[str, Action]:
    """Imports every action's handler, inactive ones too. ConfigError names file, key and reason."""
    return {name: load_action(config, name, threads) for name in config.actions}


def load_action(config: Config, name: str, threads: Executor | None = None) -> Action:
    """One of them; raises as `load_actions` does."""
    for folder in config.handler_path:
        if folder not in sys.path:
            sys.path.insert(0, folder)
    action = config.actions[name]
    try:
        return Action(name, action, load_handler(action.handler, threads, action.options))
    except OptionsError as error:
        raise ConfigError(f"{config.path}: [actions.{name}.options]: {error}") from error
    except HandlerError as error:
        raise ConfigError(f"{config.path}: [actions.{name}] handler: {error}") from error


def active(actions: Iterable[Action]) -> list[Action]:
    return [action for action in actions if action.config.is_active]
