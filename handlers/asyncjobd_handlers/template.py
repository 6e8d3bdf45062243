"""Templates: text of the options in which {name} stands for a value of the row. Any other brace is only a
brace."""

import re
from collections.abc import Callable, Mapping
from typing import Any

PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}")


def fill(template: str, values: Mapping[str, Any], encode: Callable[[str], str] = str) -> str:
    """Return the template with its values filled in, each made safe for its place by `encode`.

    Raise ValueError, with the name, for a value that is missing or neither text, a number nor a boolean.
    """
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
            kind = type(other).__name__
            raise ValueError(f"{name!r} is a {kind}: expected text, a number, or true or false")
