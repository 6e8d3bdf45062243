"""The actions of a configuration: job names with their loaded handlers, hooks and default values."""

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from asyncjobd.actions.exceptions import USUAL, ExceptionRules, ExceptionsError, load_rules
from asyncjobd.actions.handlers import LoadedHandler, OptionsError, load_handler
from asyncjobd.actions.hooks import LoadedHook, load_hook, wrap_in_hooks
from asyncjobd.actions.imports import LoadError
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.model import ActionConfig, Config


@dataclass(frozen=True, slots=True)
class Action:
    """A job name that the daemon can run.

    Attributes:
        name: The job name.
        config: Its table in the configuration.
        handler: Its handler, wrapped in the hooks.
        hooks: The hooks, the outermost first.
        exceptions: Which exceptions of the handler and the hooks are fatal.
    """

    name: str
    config: ActionConfig
    handler: LoadedHandler
    hooks: Sequence[LoadedHook] = ()
    exceptions: ExceptionRules = USUAL


def load_actions(config: Config, threads: Executor | None = None) -> dict[str, Action]:
    """Import the handlers of all actions, inactive ones too, and return the actions by name.

    Raise ConfigError with all problems, each with file, key and reason, if handlers or hooks cannot be
    loaded.

    Args:
        config: The configuration.
        threads: Runs synchronous handlers. Default: a new thread pool.
    """
    extend_import_path(config)
    problems: list[str] = []
    hooks: Sequence[LoadedHook] = ()
    try:
        hooks = _load_hooks(config)
    except ConfigError as error:
        problems += error.problems
    actions: dict[str, Action] = {}
    for name in config.actions:
        try:
            actions[name] = load_action(config, name, threads, hooks)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*problems)
    return actions


def load_action(
    config: Config, name: str, threads: Executor | None = None, hooks: Sequence[LoadedHook] = ()
) -> Action:
    """Import the handler and the exceptions of one action, and return it. Raise ConfigError as `load_actions` does."""
    extend_import_path(config)
    action = config.actions[name]
    try:
        handler = load_handler(action.handler, threads, action.options)
        exceptions = load_rules(action.fatal_exceptions, action.retried_exceptions)
    except OptionsError as error:
        raise ConfigError(f"{_origin(config, name, 'options')}: [actions.{name}.options]: {error}") from error
    except ExceptionsError as error:
        raise ConfigError(f"{_origin(config, name, error.key)}: [actions.{name}] {error}") from error
    except LoadError as error:
        hint = _handler_path_hint(config, action.handler)
        raise ConfigError(
            f"{_origin(config, name, 'handler')}: [actions.{name}] handler: {error}{hint}"
        ) from error
    if action.isolation == "process":
        _check_options_can_be_sent(config, name, action.options)
    return Action(name, action, wrap_in_hooks(handler, hooks, exceptions), hooks, exceptions)


def _check_options_can_be_sent(config: Config, name: str, options: Mapping[str, Any]) -> None:
    """Raise ConfigError if the options contain a value that cannot be sent to a worker process."""
    try:
        msgspec.msgpack.encode(options)
    except (OverflowError, TypeError) as error:
        raise ConfigError(
            f"{_origin(config, name, 'options')}: [actions.{name}.options]: "
            f"a value cannot be sent to the worker process: {error}"
        ) from error


def _origin(config: Config, name: str, key: str) -> Path | None:
    """Return the file to correct: the drop-in that has the key, else the main file."""
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


def extend_import_path(config: Config) -> None:
    """Put the folders of [daemon] handler_path first on sys.path."""
    for folder in config.handler_path:
        if folder not in sys.path:
            sys.path.insert(0, folder)


def _load_hooks(config: Config) -> list[LoadedHook]:
    try:
        return [load_hook(name) for name in config.daemon.hooks]
    except LoadError as error:
        raise ConfigError(f"{config.path}: [daemon] hooks: {error}") from error


def served_names(actions: Mapping[str, Action]) -> list[str]:
    """Return the names of the active actions, sorted."""
    return sorted(name for name, action in actions.items() if action.config.is_active)


class ActionCatalog:
    """The actions that a daemon serves. A reload of the configuration replaces all of them at once.

    Attributes:
        known: The actions by name, including those removed by a reload, whose claimed jobs still run.
        active: The active actions.
        served_names: The names of the active actions, sorted.
        served: The same names as a set.
        version: The number of replacements, by which a reader notices one.
        refusal: Why the last reload was refused; None if it was not.
    """

    def __init__(self, actions: Mapping[str, Action]) -> None:
        self.known: dict[str, Action] = {}
        self.active: list[Action] = []
        self.served_names: list[str] = []
        self.served: frozenset[str] = frozenset()
        self.version = 0
        self.refusal: str | None = None
        self.replace(actions)

    def replace(self, actions: Mapping[str, Action]) -> None:
        """Serve these actions from now on."""
        self.known |= actions
        self.active = [action for action in actions.values() if action.config.is_active]
        self.served_names = served_names(actions)
        self.served = frozenset(self.served_names)
        self.version += 1
