"""Checks params by their JSON Schema.

The keywords that msgspec and pydantic write are checked, others are ignored: the handler has the last word. Libraries
that check them all are not typed, or make Python code of the schema and run it.
"""

from collections.abc import Callable, Iterator
from typing import Any

from asyncjobd.monitoring.json_schema.document import Document, Schema, choices

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,), "null": (type(None),),
    "integer": (int,), "number": (int, float),
}  # fmt: skip
LIMITS: dict[str, tuple[str, tuple[type, ...], Callable[[Any, Any], bool]]] = {
    "minimum": (">=", (int, float), lambda value, limit: value >= limit),
    "maximum": ("<=", (int, float), lambda value, limit: value <= limit),
    "exclusiveMinimum": (">", (int, float), lambda value, limit: value > limit),
    "exclusiveMaximum": ("<", (int, float), lambda value, limit: value < limit),
    "minLength": ("of a length >=", (str,), lambda value, limit: len(value) >= limit),
    "maxLength": ("of a length <=", (str,), lambda value, limit: len(value) <= limit),
}

Violation = tuple[str, str]  # place, and what is wrong there


def violations(document: Document, value: Any) -> list[str]:
    """Return what is wrong, a text for each field, such as "copies must be integer, not string"."""
    found = _of_value(document, value, document.root, "")
    return [f"{place.removeprefix('.') or 'params'} {what}" for place, what in found]


def _of_value(document: Document, value: Any, schema: Schema, place: str) -> Iterator[Violation]:
    schema = document.resolved(schema)
    if "anyOf" in schema:
        yield from _of_any(document, value, schema, place)
    elif not _is_of(value, schema):
        yield place, _expected(document, value, schema)
    elif isinstance(value, dict):
        yield from _of_object(document, value, schema, place)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for number, item in enumerate(value):
            yield from _of_value(document, item, schema["items"], f"{place}[{number}]")
    else:
        for key, (words, kinds, holds) in LIMITS.items():
            if key in schema and isinstance(value, kinds) and not holds(value, schema[key]):
                yield place, f"must be {words} {schema[key]}"


def _of_any(document: Document, value: Any, schema: Schema, place: str) -> Iterator[Violation]:
    """Yield what the option of the value's own type says, if there is one."""
    options = [document.resolved(option) for option in schema["anyOf"]]
    found = [list(_of_value(document, value, option, place)) for option in options]
    if all(found):
        of_type = [each for option, each in zip(options, found, strict=True) if _is_of(value, option)]
        yield from of_type[0] if of_type else [(place, _expected(document, value, schema))]


def _of_object(document: Document, value: dict[str, Any], schema: Schema, place: str) -> Iterator[Violation]:
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name in schema.get("required", []):
        if name not in value:
            yield f"{place}.{name}", "is missing"
    for name, each in value.items():
        if name in known:
            yield from _of_value(document, each, known[name], f"{place}.{name}")
        elif others is False:
            yield f"{place}.{name}", "is unknown"
        elif isinstance(others, dict):
            yield from _of_value(document, each, others, f"{place}.{name}")


def _is_of(value: Any, schema: Schema) -> bool:
    values, kinds = choices(schema), schema.get("type")
    if values is not None:
        return value in values
    return kinds is None or any(
        _is_a(value, kind) for kind in (kinds if isinstance(kinds, list) else [kinds])
    )


def _is_a(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, TYPES.get(kind, (object,)))


def _expected(document: Document, value: Any, schema: Schema) -> str:
    """Return what was expected; without the value, which may be secret."""
    got = next(name for name in TYPES if _is_a(value, name))
    return f"must be {document.type_of(schema)}" + (f", not {got}" if choices(schema) is None else "")
