"""What a handler takes: the type of its params, and what is wrong with params that are not of it."""

import re
from collections.abc import Callable
from functools import cached_property
from typing import Any

import msgspec

_PLACE = re.compile(r"(?s)(?P<reason>.*) - at `(?:key in )?\$(?P<place>[^`]*)`")
_FIELD = re.compile(r"Object (?P<what>missing required|contains unknown) field `(?P<field>.*)`")


class ParamsError(ValueError):
    """The params of a job are not what its handler takes."""


class Params:
    """`kind` is a msgspec.Struct, a dataclass, a TypedDict, an attrs class, a pydantic model, or anything else that
    msgspec decodes; `owner` is whose they are, for errors."""

    def __init__(self, kind: Any, owner: str, *, is_free: bool = False) -> None:
        """`is_free`: a set_params of the handler's own takes them, so nobody can judge them by their type."""
        self.kind = kind
        self._owner = owner
        self.is_free = is_free
        self._decode = _decoder(kind)

    def decode(self, text: str) -> Any:
        """Of JSON; raises ParamsError."""
        try:
            return self._decode(text)
        except Exception as error:
            raise self.misfit(error) from error

    def check(self, text: str) -> None:
        """Raises ParamsError where the JSON is not of the type."""
        if not self.is_free:
            self.decode(text)

    def misfit(self, error: Exception) -> ParamsError:
        return ParamsError(f"params do not fit {self._owner}: {reason(error)}")

    @cached_property
    def schema(self) -> dict[str, Any] | None:
        """The JSON Schema; None where there is none to tell."""
        if self.is_free:
            return None
        if hasattr(self.kind, "model_json_schema"):
            return dict(self.kind.model_json_schema())
        try:
            return msgspec.json.schema(self.kind)
        except TypeError:
            return None


def convert(raw: Any, kind: Any) -> Any:
    """A value of JSON or TOML as the type has it."""
    validate = getattr(kind, "model_validate", None)
    return validate(raw) if validate is not None else msgspec.convert(raw, kind)


def _decoder(kind: Any) -> Callable[[str], Any]:
    validate = getattr(kind, "model_validate_json", None)  # pydantic
    return validate if validate is not None else msgspec.json.Decoder(kind).decode


def reason(error: Exception) -> str:
    """What is wrong and where: "copies: expected `int`, got `str`". Without the values that pydantic would show: they
    may be secret."""
    errors = getattr(error, "errors", None)
    if hasattr(type(error), "error_count") and errors is not None:
        found = errors(include_input=False, include_url=False, include_context=False)
        return "; ".join(_said(_place(each["loc"]), _of_pydantic(each)) for each in found)
    if isinstance(error, msgspec.ValidationError):
        return _of_msgspec(str(error))
    return f"{type(error).__name__}: {error}"


def _of_msgspec(text: str) -> str:
    match = _PLACE.fullmatch(text)
    what, place = (match["reason"], match["place"].removeprefix(".")) if match else (text, "")
    if field := _FIELD.fullmatch(what):
        place = f"{place}.{field['field']}".removeprefix(".")
        what = "is missing" if field["what"].startswith("missing") else "is unknown"
    return _said(place, what)


def _of_pydantic(found: dict[str, Any]) -> str:
    return {"missing": "is missing", "extra_forbidden": "is unknown"}.get(found["type"]) or found["msg"]


def _place(location: tuple[str | int, ...]) -> str:
    """As msgspec writes it: values[1].name"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(
        "."
    )


def _said(place: str, what: str) -> str:
    what = what[:1].lower() + what[1:]
    if not place:
        return what
    return f"{place} {what}" if what.startswith("is ") else f"{place}: {what}"
