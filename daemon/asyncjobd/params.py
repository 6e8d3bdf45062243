"""The params of a job: decoding into the type that the handler declares, and errors of it."""

import re
from collections.abc import Callable
from functools import cached_property
from typing import Any

import msgspec

_PLACE = re.compile(r"(?s)(?P<reason>.*) - at `(?:key in )?\$(?P<place>[^`]*)`")
_STEP = re.compile(r"\[\.\.\.\]|\[(?P<number>\d+)\]|\.(?P<name>[^.\[]+)")
_FIELD = re.compile(r"Object (?P<problem>missing required|contains unknown) field `(?P<field>.*)`")


class ParamsError(ValueError):
    """Raised when the params of a job do not match the type that its handler declares."""


class ParamsType:
    """The type of the params that a handler declares, and a decoder for it.

    The type is a msgspec.Struct, a dataclass, a TypedDict, an attrs class, a pydantic model, or anything else
    that msgspec decodes.
    """

    def __init__(self, declared: Any, handler_name: str, *, is_unchecked: bool = False) -> None:
        """Build the decoder.

        Args:
            declared: The type.
            handler_name: The name of the handler, for error messages.
            is_unchecked: The handler overrides `set_params`, so its type does not say which params are valid.
        """
        self.declared = declared
        self.is_unchecked = is_unchecked
        self._handler_name = handler_name
        self._decode = _decoder(declared)

    def decode(self, text: str) -> Any:
        """Return the value that the JSON text encodes. Raise ParamsError if it does not match the type."""
        try:
            return self._decode(text)
        except msgspec.ValidationError as error:
            raise self.mismatch(_with_keys(error, text, self._decode)) from error
        except Exception as error:
            raise self.mismatch(error) from error

    def check(self, text: str) -> None:
        """Raise ParamsError if the JSON text does not match the type; accept anything if it is unchecked."""
        if not self.is_unchecked:
            self.decode(text)

    def mismatch(self, error: Exception) -> ParamsError:
        """Return the ParamsError for an error of decoding."""
        return ParamsError(f"params do not fit {self._handler_name}: {describe_mismatch(error)}")

    @cached_property
    def schema(self) -> dict[str, Any] | None:
        """The JSON Schema of the type; None if it is unchecked or cannot be described."""
        if self.is_unchecked:
            return None
        if hasattr(self.declared, "model_json_schema"):
            return dict(self.declared.model_json_schema())
        try:
            return msgspec.json.schema(self.declared)
        except TypeError:
            return None


def convert(raw: Any, declared: Any) -> Any:
    """Return a value of TOML or Python converted to the declared type. Raise what the type's library raises."""
    validate = getattr(declared, "model_validate", None)  # pydantic
    return validate(raw) if validate is not None else msgspec.convert(raw, declared, str_keys=True)


def decode_value(raw: Any, declared: Any) -> Any:
    """Return a JSON value decoded as its text would be. Raise what the type's library raises.

    A value that has no text, as a handler has put objects of its own into it, is converted as it is.
    """
    try:
        text = msgspec.json.encode(raw).decode()
    except TypeError:
        return convert(raw, declared)
    return _decoder(declared)(text)


def _decoder(declared: Any) -> Callable[[str], Any]:
    validate = getattr(declared, "model_validate_json", None)  # pydantic
    return validate if validate is not None else msgspec.json.Decoder(declared).decode


def describe_mismatch(error: Exception) -> str:
    """Return the place and the reason of an error of decoding, such as "copies: expected `int`, got `str`".

    The text leaves out the values that pydantic would show, as they may be secret.
    """
    errors = getattr(error, "errors", None)
    if hasattr(type(error), "error_count") and errors is not None:  # pydantic
        found = errors(include_input=False, include_url=False, include_context=False)
        return "; ".join(_sentence(_place(each["loc"]), _pydantic_reason(each)) for each in found)
    if isinstance(error, msgspec.ValidationError):
        return _msgspec_sentence(str(error))
    return f"{type(error).__name__}: {error}"


def _with_keys(
    error: msgspec.ValidationError, text: str, decode: Callable[[str], Any]
) -> msgspec.ValidationError:
    """Return an error of decoding a text with the keys of dicts in its place, of which msgspec only says `[...]`."""
    said = str(error)
    match = _PLACE.fullmatch(said)
    if match is None or "[...]" not in match["place"]:
        return error

    def is_same(value: Any) -> bool:
        try:
            decode(msgspec.json.encode(value).decode())
        except msgspec.ValidationError as found:
            return str(found) == said
        return False

    try:
        place = _place_with_keys(match["place"], msgspec.json.decode(text), is_same)
    except (LookupError, TypeError, ValueError, RecursionError):  # a name has a dot, or the text a key twice
        return error
    return msgspec.ValidationError(f"{match['reason']} - at `${place}`")


def _place_with_keys(place: str, whole: Any, is_same: Callable[[Any], bool]) -> str:
    """Find each key by halves: it is the one with which alone the value has the same error. Raise LookupError."""
    found, at = "", whole
    for step in _STEP.finditer(place):
        if step[0] != "[...]":
            found, at = found + step[0], at[int(step["number"]) if step["number"] else step["name"]]
            continue
        items = list(dict(at).items())
        while len(items) > 1:
            half = items[: len(items) // 2]
            _keep(at, half)
            items = half if is_same(whole) else items[len(half) :]
        _keep(at, items)
        if not is_same(whole):
            raise LookupError(place)
        key, at = items[0]
        found += f".{key}"
    return found


def _keep(at: dict[str, Any], items: list[tuple[str, Any]]) -> None:
    at.clear()
    at.update(items)


def _msgspec_sentence(text: str) -> str:
    match = _PLACE.fullmatch(text)
    reason, place = (match["reason"], match["place"].removeprefix(".")) if match else (text, "")
    if field := _FIELD.fullmatch(reason):
        place = f"{place}.{field['field']}".removeprefix(".")
        reason = "is missing" if field["problem"].startswith("missing") else "is unknown"
    return _sentence(place, reason)


def _pydantic_reason(error: dict[str, Any]) -> str:
    return {"missing": "is missing", "extra_forbidden": "is unknown"}.get(error["type"]) or error["msg"]


def _place(location: tuple[str | int, ...]) -> str:
    """Return pydantic's location in the notation of msgspec: values[1].name"""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location]
    return "".join(parts).removeprefix(".")


def _sentence(place: str, reason: str) -> str:
    reason = reason[:1].lower() + reason[1:]
    if not place:
        return reason
    return f"{place} {reason}" if reason.startswith("is ") else f"{place}: {reason}"
