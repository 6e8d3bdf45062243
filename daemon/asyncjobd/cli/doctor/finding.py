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
