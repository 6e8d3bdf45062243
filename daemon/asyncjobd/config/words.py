"""The words in which errors of the configuration show a value, and what was expected in its place."""

from math import isfinite
from typing import Any

import msgspec

LONGEST_SHOWN = 100  # characters

_KINDS = {"list": "a list", "dict": "a table"}


def shown(value: object) -> str:
    """Return a value as TOML has it; a list or a table only by its kind, as there may be a password in it."""
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, bool | int | float | str):
        text = msgspec.json.encode(value).decode()
        return text if len(text) <= LONGEST_SHOWN else f'{text[:LONGEST_SHOWN]}..."'
    kind = type(value).__name__
    return _KINDS.get(kind, f"a {kind}")


def expected(kind: Any) -> str:
    """Return what a field of this type takes."""
    return _expected(msgspec.inspect.type_info(kind))


def _expected(info: msgspec.inspect.Type) -> str:
    match info:
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.StrType():
            return "text in quotes"
        case msgspec.inspect.IntType(ge=least, le=most):
            limits = f" from {least} to {most}" if most is not None else ""
            return f"a whole number{limits}"
        case msgspec.inspect.FloatType(ge=least, le=most):
            limits = f" from {least:g} to {most:g}" if least is not None and most is not None else ""
            return f"a number{limits}"
        case msgspec.inspect.LiteralType(values=values):
            return f"one of {', '.join(map(shown, values))}"
        case msgspec.inspect.VarTupleType():
            return 'a list of texts, such as ["a", "b"]'
        case msgspec.inspect.DictType():
            return "a table"
        case msgspec.inspect.DateTimeType():
            return "a time with its zone, such as 2030-01-31T09:30:00Z"
        case msgspec.inspect.UnionType(types=types):
            return " or ".join(
                _expected(each) for each in types if not isinstance(each, msgspec.inspect.NoneType)
            )
        case _:
            return "another value"
