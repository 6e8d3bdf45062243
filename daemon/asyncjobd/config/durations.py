"""Durations as people write them, such as "90 s", "15 min", "1 hour 30 min" or "1 month".

The configuration, the options of handlers, the command line and the reports of commands share this parser. A
number without a unit is refused everywhere.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from asyncjobd.config.words import shown

ZERO = timedelta(0)
SHORTEST = timedelta(milliseconds=1)
LONGEST = timedelta(days=360_000)  # 1000 years of 360 days: the longest interval of a job

_NAMES = {
    "ms": "ms millisecond milliseconds",
    "s": "s sec secs second seconds",
    "min": "m min mins minute minutes",
    "hour": "h hr hrs hour hours",
    "day": "d day days",
    "week": "w week weeks",
    "month": "mon mons month months",
    "year": "y year years",
}
_UNITS = {name: unit for unit, names in _NAMES.items() for name in names.split()}
_SECONDS = {
    "ms": 0.001, "s": 1, "min": 60, "hour": 3600, "day": 86_400, "week": 604_800,
    "month": 30 * 86_400, "year": 360 * 86_400,
}  # fmt: skip
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)\s*", re.ASCII)
_PARTS = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_FORM = r"^\s*(?:\d+(?:\.\d+)?\s*[A-Za-z]+\s*)+$"  # of all durations; the units are not checked


class DurationError(ValueError):
    """A value is no duration, or is out of range. The text says what to write."""


@dataclass(frozen=True, slots=True)
class DurationText:
    """Marks a timedelta that the configuration has as text: Annotated[timedelta, DurationText()]."""

    pattern: ClassVar = _FORM
    at_least: timedelta = ZERO
    at_most: timedelta = LONGEST

    def read(self, value: object) -> timedelta:
        return parse_duration(value, at_least=self.at_least, at_most=self.at_most)


@dataclass(frozen=True, slots=True)
class IntervalText:
    """Marks the text of a PostgreSQL interval, with months and years: Annotated[str, IntervalText()]."""

    pattern: ClassVar = _FORM

    def read(self, value: object) -> str:
        return check_interval(value)


def parse_duration(value: object, *, at_least: timedelta = ZERO, at_most: timedelta = LONGEST) -> timedelta:
    """Return the duration that a text such as "1 hour 30 min" means.

    `value` is typed as object because TOML and JSON may have anything there. Raise DurationError for a number
    without a unit, for months and years, which have no fixed length, and for a duration out of range.
    """
    parts = _parse(value, units="ms, s, min, hours, days or weeks")
    for unit in ("month", "year"):
        if unit in parts:
            raise DurationError(f"{shown(value)}: a {unit} has no fixed length here: write days")
    return timedelta(seconds=_within(value, parts, at_least, at_most))


def check_interval(value: object) -> str:
    """Return the text as PostgreSQL reads an interval: with spaces. Months and years may stand in it.

    Raise DurationError as `parse_duration` does; the range is 1 ms to 1000 years, and years have whole months.
    """
    parts = _parse(value, units="ms, s, min, hours, days, weeks, months or years")
    if 12 * parts.get("year", 0) % 1:
        raise DurationError(
            f"{shown(value)}: PostgreSQL rounds a part of a year to whole months: write months or days"
        )
    _within(value, parts, SHORTEST, LONGEST)
    return " ".join(f"{amount} {name}" for amount, name in _PART.findall(str(value).lower()))


def format_duration(duration: timedelta) -> str:
    """Return the duration as text, such as "1 hour 30 min", that `parse_duration` reads as the same one."""
    left = round(duration.total_seconds() * 1000)
    words = []
    for unit, plural in (("day", "days"), ("hour", "hours"), ("min", "min"), ("s", "s"), ("ms", "ms")):
        amount, left = divmod(left, round(_SECONDS[unit] * 1000))
        if amount:
            words.append(f"{amount} {unit if amount == 1 else plural}")
    return " ".join(words) or "0 s"


def require_timedelta(name: str, value: timedelta) -> timedelta:
    """Return the value. Raise TypeError if it is no timedelta; the text says what to write instead."""
    if isinstance(value, timedelta):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    advice = f"timedelta(seconds={value})" if is_number else "timedelta(seconds=30)"
    raise TypeError(f"{name} is {value!r}, which is no timedelta: write {advice}")


def _parse(value: object, units: str) -> dict[str, float]:
    """Return the amount of each unit."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        raise DurationError(f'{value} has no unit: write "{value} s" or "{value} min"')
    if not isinstance(value, str):
        raise _no_duration(value)
    text = value.strip(" \t\r\n").lower()
    if _NUMBER.fullmatch(text):
        raise DurationError(f'{shown(value)} has no unit: write "{text} s" or "{text} min"')
    if not _PARTS.fullmatch(text):
        raise _no_duration(value)
    parts: dict[str, float] = {}
    for amount, name in _PART.findall(text):
        unit = _UNITS.get(name)
        if unit is None:
            raise DurationError(f'{shown(value)}: "{name}" is no unit: write {units}')
        if unit in parts:
            raise DurationError(f'{shown(value)} has the unit "{unit}" twice')
        parts[unit] = float(amount)
    return parts


def _no_duration(value: object) -> DurationError:
    return DurationError(f'{shown(value)} is not a duration: write one such as "90 s" or "1 hour 30 min"')


def _within(value: object, parts: dict[str, float], at_least: timedelta, at_most: timedelta) -> float:
    """Return the seconds, with months of 30 days, if they are in the range."""
    seconds = sum(amount * _SECONDS[unit] for unit, amount in parts.items())
    if seconds < at_least.total_seconds():
        raise DurationError(f"{shown(value)} is too short: the shortest is {format_duration(at_least)}")
    if seconds > at_most.total_seconds():
        most = "1000 years of 360 days" if at_most == LONGEST else format_duration(at_most)
        raise DurationError(f"{shown(value)} is too long: the longest is {most}")
    return seconds
