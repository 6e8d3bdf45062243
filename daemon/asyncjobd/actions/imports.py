"""Python objects, imported by the names that the configuration gives them."""

import importlib
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


class LoadError(ValueError):
    """Raised when an object that the configuration names cannot be imported, or is of the wrong kind."""


def load_object(name: str) -> Any:
    """Return the object called "module:attribute". Raise LoadError if it cannot be imported."""
    module_name, separator, attribute = name.partition(":")
    if not (separator and module_name and attribute):
        raise LoadError(f"{name!r} is not of the form 'module:attribute'")
    try:
        target: Any = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise LoadError(f"cannot import {module_name!r}: {type(error).__name__}: {error}") from error
    if (shadowed := _shadowed_file(target)) is not None:
        raise LoadError(
            f"{shadowed} is not imported as {module_name!r}: "
            f"{getattr(target, '__file__', None) or 'a module of Python'} "
            "has this name, and was imported before; give the file another name"
        )
    try:
        for part in attribute.split("."):
            target = getattr(target, part)
    except AttributeError:
        raise LoadError(f"module {module_name!r} has no {attribute!r}") from None
    return target


def is_async(function: Any) -> bool:
    """Return whether it is a coroutine function, looking through decorators that use functools.wraps."""
    return inspect.iscoroutinefunction(inspect.unwrap(function))


def _shadowed_file(module: ModuleType) -> Path | None:
    """Return the file that comes before the module's own on sys.path but was not imported, or None.

    This happens to a handler file with the name of a module that was imported earlier, such as email.py.
    """
    top = sys.modules[module.__name__.partition(".")[0]]
    file = Path(getattr(top, "__file__", None) or "/")
    for folder in map(Path, sys.path):
        if folder in {file.parent, file.parent.parent}:
            return None
        for candidate in (folder / top.__name__ / "__init__.py", folder / f"{top.__name__}.py"):
            if candidate.is_file():
                return candidate
    return None
