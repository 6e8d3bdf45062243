"""A text of the options with {name} where a value of the row goes; any other brace is only a brace."""

import re
from collections.abc import Callable, Mapping
from typing import Any

PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}")


def fill(template: str, values: Mapping[str, Any], encode: Callable[[str], str] = str) -> str:
    """`encode` makes a value safe for where it goes. ValueError names a value that is missing, or is no text."""
    return PLACEHOLDER.sub(lambda placeholder: encode(_text(placeholder[1], values)), template)


def _text(name: str, values: Mapping[str, Any]) -> str:
    match values.get(name):
        case str() as text:
            return text
        case bool() as flag:
            return "true" if flag else "false"
        case int() | float() as number:
            return str(number)
        case None:
            raise ValueError(f"{name!r} is missing")
        case other:
            raise ValueError(
                f"{name!r} is a {type(other).__name__}: expected text, a number, or true or false"
            )
