"""A JSON Schema, and the types in it."""

from typing import Any

import msgspec

Schema = dict[str, Any]

DEEPEST = 20  # schemas within schemas


class Document:
    def __init__(self, document: Schema) -> None:
        self._document = document
        self.root = self.resolved(document)

    @property
    def description(self) -> str | None:
        """The description of the action, else that of its params."""
        return self._document.get("description") or self.root.get("description")

    @property
    def is_complete(self) -> bool:
        """Return whether the schema says all that params must have; an object of any fields, or anything, does not."""
        if self.root.get("type") == "object":
            return "properties" in self.root
        return bool({"type", "anyOf", "enum", "const"} & self.root.keys())

    def resolved(self, schema: Schema) -> Schema:
        """Return the schema with what its $ref says, which is a place in this document."""
        for _ in range(DEEPEST):
            reference = schema.get("$ref")
            if not (isinstance(reference, str) and reference.startswith("#/")):
                break
            target: Any = self._document
            for part in reference[2:].split("/"):
                target = target.get(part.replace("~1", "/").replace("~0", "~"), {})
            schema = {key: value for key, value in schema.items() if key != "$ref"} | target
        return schema

    def type_of(self, schema: Schema) -> str:
        """Return the type in words."""
        schema = self.resolved(schema)
        if "anyOf" in schema:
            return " or ".join(self.type_of(option) for option in schema["anyOf"])
        if (values := choices(schema)) is not None:
            return " or ".join(msgspec.json.encode(value).decode() for value in values)
        kind = schema.get("type", "anything")
        if kind == "array" and isinstance(schema.get("items"), dict):
            return f"array of {self.type_of(schema['items'])}"
        return " or ".join(kind) if isinstance(kind, list) else str(kind)


def choices(schema: Schema) -> list[Any] | None:
    """Return the only values that there are; None where there is no such list."""
    return [schema["const"]] if "const" in schema else schema.get("enum")
