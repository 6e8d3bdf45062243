"""What a daemon serves: job names, their handlers and the defaults of their rows."""

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from asyncjobd.actions.handlers import LoadedHandler, OptionsError, load_handler
from asyncjobd.actions.middleware import LoadedHook, load_hook, wrap
from asyncjobd.actions.objects import LoadError
from asyncjobd.config.load import ActionConfig, Config, ConfigError


@dataclass(frozen=True, slots=True)
class Action:
    name: str
    config: ActionConfig
    handler: LoadedHandler  # with the hooks around it
    hooks: Sequence[LoadedHook] = ()


def load_actions(config: Config, threads: Executor | None = None) -> dict[str, Action]:
    """Imports every action's handler, inactive ones too, and puts the hooks around it. ConfigError names file, key and
    reason."""
    _add_path(config)
    hooks = _load_hooks(config)
    return {name: load_action(config, name, threads, hooks) for name in config.actions}


def load_action(
    config: Config, name: str, threads: Executor | None = None, hooks: Sequence[LoadedHook] = ()
) -> Action:
    """One of them; raises as `load_actions` does."""
    _add_path(config)
    action = config.actions[name]
    try:
        handler = load_handler(action.handler, threads, action.options)
    except OptionsError as error:
        raise ConfigError(f"{_origin(config, name, 'options')}: [actions.{name}.options]: {error}") from error
    except LoadError as error:
        hint = _handler_path_hint(config, action.handler)
        raise ConfigError(
            f"{_origin(config, name, 'handler')}: [actions.{name}] handler: {error}{hint}"
        ) from error
    if action.isolation == "process":
        _check_that_it_can_be_sent(config, name, action.options)
    return Action(name, action, wrap(handler, hooks), hooks)


def _check_that_it_can_be_sent(config: Config, name: str, options: Mapping[str, Any]) -> None:
    try:
        msgspec.msgpack.encode(options)
    except (OverflowError, TypeError) as error:
        origin = _origin(config, name, "options")
        raise ConfigError(
            f"{origin}: [actions.{name}.options]: no process can be told this: {error}"
        ) from error


def _origin(config: Config, name: str, key: str) -> Path | None:
    """The file to mend: the drop-in, where it has the key."""
    keys = config.origins.get(name, {})
    return keys.get(key) or keys.get("handler") or config.path


def _handler_path_hint(config: Config, handler: str) -> str:
    """Return what to write where the module lies beside the file, which is no place to import from by default."""
    top = handler.partition(":")[0].partition(".")[0]
    folder = config.path.parent.resolve() if config.path else None
    if folder is None or not top or str(folder) in config.handler_path:
        return ""
    for module in (f"{top}.py", f"{top}/__init__.py"):
        if (folder / module).is_file():
            return f'; {module} is beside the file: add handler_path = ["."] to [daemon]'
    return ""


def _add_path(config: Config) -> None:
    for folder in config.handler_path:
        if folder not in sys.path:
            sys.path.insert(0, folder)


def _load_hooks(config: Config) -> list[LoadedHook]:
    try:
        return [load_hook(name) for name in config.daemon.hooks]
    except LoadError as error:
        raise ConfigError(f"{config.path}: [daemon] hooks: {error}") from error


def active(actions: Mapping[str, Action]) -> list[Action]:
    return [action for action in actions.values() if action.config.is_active]


def served_names(actions: Mapping[str, Action]) -> list[str]:
    """Of those that are active, sorted."""
    return sorted(action.name for action in active(actions))
