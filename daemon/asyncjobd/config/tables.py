"""Turns tables of TOML into structs, and collects everything that is wrong with them."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from datetime import timedelta
from types import NoneType, UnionType
from typing import Annotated, Any, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from asyncjobd.config.calendars import CronText, ZoneText
from asyncjobd.config.durations import DurationText, IntervalText
from asyncjobd.config.names import NameText
from asyncjobd.config.rates import RateText
from asyncjobd.config.sizes import SizeText
from asyncjobd.config.words import expected, shown

S = TypeVar("S", bound=msgspec.Struct)
CheckedText: TypeAlias = DurationText | IntervalText | RateText | SizeText | CronText | ZoneText | NameText


class TableError(ValueError):
    """A table is not what its struct takes. `problems` are pairs of a key ("" for the table) and a reason."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{key}: {reason}" if key else reason for key, reason in problems))
        self.problems = problems


def to_struct(kind: type[S], table: Mapping[str, Any]) -> S:
    """Return the table as a struct. Raise TableError, which has every mistake and not only the first."""
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    problems = [("", unknown_key(key, fields)) for key in table if key not in fields]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in table:
            if field.required:
                problems.append(("", f"{name} is missing: expected {expected(field.type)}"))
            continue
        try:
            values[name] = _value(field.type, table[name])
        except ValueError as error:
            problems.append((name, str(error)))
    if problems:
        raise TableError(problems)
    return kind(**values)


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Return what is wrong with a key that is not known, and which one was probably meant."""
    known = list(known)
    guess = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {guess[0]!r}?" if guess else f"known are {', '.join(known)}"
    return f"unknown key {key!r}; {hint}"


def read_units(kind: Any, table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table with the values that are text with a unit read as the fields of `kind` have them.

    These are the timedeltas, and what is marked with one of CheckedText, in nested structs and dataclasses too. All
    else is left as it is. Raise ValueError, with the key.
    """
    values = dict(table)
    for name, field in _field_types(kind).items():
        value = values.get(name)
        if value is None:
            continue
        try:
            if (unit := unit_of(field)) is not None:
                values[name] = unit.read(value)
            elif isinstance(value, Mapping) and _is_record(field):
                values[name] = read_units(field, value)
        except ValueError as error:
            separator = ": " if unit_of(field) is not None else "."
            raise ValueError(f"{name}{separator}{error}") from error
    return values


def unit_of(kind: Any) -> CheckedText | None:
    """Return how a field of this type is written; None where it is no text with a unit or a form of its own."""
    if kind is timedelta:
        return DurationText()
    if get_origin(kind) is Annotated:
        marked = next((each for each in kind.__metadata__ if isinstance(each, CheckedText)), None)
        return marked or unit_of(get_args(kind)[0])
    if get_origin(kind) in {Union, UnionType}:
        others = [each for each in get_args(kind) if each is not NoneType]
        return unit_of(others[0]) if len(others) == 1 else None
    return None


def _value(kind: Any, value: Any) -> Any:
    if (unit := unit_of(kind)) is not None:
        return unit.read(value)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"{shown(value)}: expected {expected(kind)}") from error


def _field_types(kind: Any) -> dict[str, Any]:
    if not isinstance(kind, type):
        return {}
    if issubclass(kind, msgspec.Struct):
        return {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    return get_type_hints(kind, include_extras=True)


def _is_record(kind: Any) -> bool:
    return isinstance(kind, type) and (issubclass(kind, msgspec.Struct) or is_dataclass(kind))
