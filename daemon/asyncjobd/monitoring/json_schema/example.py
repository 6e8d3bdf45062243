"""The fields of the params by their JSON Schema, and an example of them."""

from typing import Any, NamedTuple

import msgspec

from asyncjobd.monitoring.json_schema.document import DEEPEST, Document, Schema, choices

LIMITS = {
    "minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<", "multipleOf": "a multiple of",
    "minLength": "length >=", "maxLength": "length <=", "minItems": "items >=", "maxItems": "items <=",
    "pattern": "matches", "format": "format",
}  # fmt: skip
TEXTS = {
    "date-time": "2030-01-31T09:30:00Z", "date": "2030-01-31", "time": "09:30:00Z", "duration": "PT90S",
    "uuid": "00000000-0000-4000-8000-000000000000", "email": "a@b.c", "uri": "https://example.org/",
}  # fmt: skip


class Field(NamedTuple):
    """A field of the params. `default` is JSON."""

    name: str
    type: str
    required: bool
    default: str | None
    constraints: str | None
    description: str | None


def fields(document: Document) -> list[Field]:
    """Return the fields of an object, required ones first; params of another type have none."""
    properties = document.root.get("properties", {})
    required = {name: properties[name] for name in document.root.get("required", []) if name in properties}
    return [
        _field(document, name, schema, name in required) for name, schema in (required | properties).items()
    ]


def example(document: Document) -> Any:
    """Return params with all that is required."""
    return _sample(document, document.root, 0)


def _field(document: Document, name: str, schema: Schema, is_required: bool) -> Field:
    schema = document.resolved(schema)
    options = [document.resolved(option) for option in schema.get("anyOf", [schema])]
    limits = [
        f"{words} {option[key]}" for option in options for key, words in LIMITS.items() if key in option
    ]
    default = msgspec.json.encode(schema["default"]).decode() if "default" in schema else None
    return Field(
        name,
        document.type_of(schema),
        is_required,
        default,
        ", ".join(limits) or None,
        schema.get("description"),
    )


def _sample(document: Document, schema: Schema, depth: int) -> Any:
    schema = document.resolved(schema)
    if "default" in schema:
        return schema["default"]
    if values := schema.get("examples") or choices(schema):
        return values[0]
    if options := schema.get("anyOf"):
        return _sample(document, options[0], depth + 1)
    kind = schema.get("type")
    if kind == "object" and depth < DEEPEST:
        required, properties = schema.get("required", []), schema.get("properties", {})
        return {
            name: _sample(document, properties[name], depth + 1) for name in required if name in properties
        }
    if kind == "array" and depth < DEEPEST:
        return [_sample(document, schema.get("items") or {}, depth + 1)] * schema.get("minItems", 0)
    scalars: dict[Any, Any] = {"string": _text(schema), "integer": _number(schema), "number": _number(schema)}
    return scalars.get(kind, {"boolean": True, "null": None}.get(str(kind), {}))


def _text(schema: Schema) -> str:
    return TEXTS.get(schema.get("format", ""), "...").ljust(schema.get("minLength", 0), ".")[
        : schema.get("maxLength")
    ]


def _number(schema: Schema) -> int | float:
    """Return the least number that is allowed, where that is known, or one within the limits."""
    least: float | None = schema.get("minimum", schema.get("maximum"))
    above: float | None = schema.get("exclusiveMinimum")
    below: float | None = schema.get("exclusiveMaximum")
    if least is not None:
        return least
    if above is not None:
        return above + 1 if below is None or above + 1 < below else (above + below) / 2
    return 1 if below is None else below - 1
