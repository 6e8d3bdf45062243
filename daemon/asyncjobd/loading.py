"""Python objects by the names that the configuration gives them."""

import importlib
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
    try:
        for part in attribute.split("."):
            target = getattr(target, part)
    except AttributeError:
        raise LoadError(f"module {module_name!r} has no {attribute!r}") from None
    return target
