"""Python objects by the names that the configuration gives them."""

import importlib
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


class LoadError(ValueError):
    """What the configuration names cannot be loaded, or is not what it must be."""


def load_object(name: str) -> Any:
    """What is called "module:attribute". Raises LoadError."""
    module_name, separator, attribute = name.partition(":")
    if not (separator and module_name and attribute):
        raise LoadError(f"{name!r} is not of the form 'module:attribute'")
    try:
        target: Any = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise LoadError(f"cannot import {module_name!r}: {type(error).__name__}: {error}") from error
    if (hidden := _hidden_by(target)) is not None:
        raise LoadError(
            f"{hidden} is not imported as {module_name!r}: {getattr(target, '__file__', None) or 'a module of Python'} "
            "has this name, and was imported before; give the file another name"
        )
    try:
        for part in attribute.split("."):
            target = getattr(target, part)
    except AttributeError:
        raise LoadError(f"module {module_name!r} has no {attribute!r}") from None
    return target


def is_async(function: Any) -> bool:
    """Return whether a call gives something to await, also where a decorator that keeps to functools.wraps hides it."""
    return inspect.iscoroutinefunction(inspect.unwrap(function))


def _hidden_by(module: ModuleType) -> Path | None:
    """Return the file that sys.path has in front of the module, and that is not imported as the module is there."""
    top = sys.modules[module.__name__.partition(".")[0]]
    file = Path(getattr(top, "__file__", None) or "/")
    for folder in map(Path, sys.path):
        if folder in {file.parent, file.parent.parent}:
            return None
        for candidate in (folder / top.__name__ / "__init__.py", folder / f"{top.__name__}.py"):
            if candidate.is_file():
                return candidate
    return None
