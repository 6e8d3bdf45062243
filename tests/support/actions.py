"""Actions for a test's configuration, made from the handlers themselves."""

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from asyncjobd import JobHandler
from tests.support import handlers

Action = dict[str, Any]
Actions = dict[str, Action]

ISOLATED: Action = {"isolation": "process", "max_execution_count": 1}


def path_of(handler: Callable[..., Any]) -> str:
    """Return the handler as a configuration names it: "module:attribute"."""
    return f"{handler.__module__}:{handler.__qualname__}"


def action(handler: Callable[..., Any], **keys: Any) -> Action:
    """Return the action of this handler, with further keys such as `timeout`."""
    return {"handler": path_of(handler), **keys}


def actions_of(*modules: ModuleType, **keys: Any) -> Actions:
    """Return an action for each handler that the modules define, by the handler's own name."""
    return {
        name: action(handler, **keys)
        for module in modules
        for name, handler in vars(module).items()
        if _is_handler(handler) and handler.__module__ == module.__name__
    }


def isolated(handler: Callable[..., Any], **keys: Any) -> Action:
    """Return the action of a handler that runs in a worker process, once."""
    return action(handler, **ISOLATED, **keys)


def _is_handler(thing: Any) -> bool:
    if inspect.isclass(thing):
        return issubclass(thing, JobHandler)
    return inspect.isfunction(thing) and list(inspect.signature(thing).parameters) == ["params", "context"]


COMMON = actions_of(handlers) | {"asleep": action(handlers.succeed, is_active=False)}
