"""What a check has found."""

from enum import StrEnum
from typing import Any

import msgspec

Row = dict[str, Any]


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(msgspec.Struct, frozen=True):
    level: Level
    about: str
    seen: str
    advice: str = ""  # empty: nothing is to be done

    @classmethod
    def ok(cls, about: str, seen: str) -> "Finding":
        return cls(Level.OK, about, seen)

    @classmethod
    def warning(cls, about: str, seen: str, advice: str) -> "Finding":
        """It works, and will hurt."""
        return cls(Level.WARNING, about, seen, advice)

    @classmethod
    def problem(cls, about: str, seen: str, advice: str) -> "Finding":
        """It does not work, or data are in danger."""
        return cls(Level.PROBLEM, about, seen, advice)


def duration(seconds: float) -> str:
    """As people read it: in the largest unit that gives two or more."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.1f} s"


def size(count: float) -> str:
    """Of so many bytes."""
    for unit, length in (("GB", 1e9), ("MB", 1e6)):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"
