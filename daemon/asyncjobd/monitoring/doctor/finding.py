"""Findings: what the checks of `asyncjobd doctor` return."""

from enum import StrEnum
from typing import Any

import msgspec

Row = dict[str, Any]


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(msgspec.Struct, frozen=True):
    """Something that a check has seen, and what to do about it."""

    level: Level
    about: str
    seen: str
    advice: str = ""  # empty: nothing is to be done
    topic: str = ""  # the page of `asyncjobd help` about it; empty where all is well

    @classmethod
    def ok(cls, about: str, seen: str) -> "Finding":
        """Return a finding of something that is as it should be."""
        return cls(Level.OK, about, seen)

    @classmethod
    def warning(cls, about: str, seen: str, advice: str, *, topic: str) -> "Finding":
        """Return a finding of something that works, and will hurt."""
        return cls(Level.WARNING, about, seen, advice, topic)

    @classmethod
    def problem(cls, about: str, seen: str, advice: str, *, topic: str) -> "Finding":
        """Return a finding of something that does not work, or of data in danger."""
        return cls(Level.PROBLEM, about, seen, advice, topic)
