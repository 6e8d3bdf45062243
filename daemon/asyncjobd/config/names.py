"""Names and keys as PostgreSQL stores them: of a limited length, and without a NUL."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from asyncjobd.config.words import shown

MOST_OF_A_NAME = 500  # bytes; the limit of asyncjob.check_values
MOST_OF_A_SCHEDULE = 400  # bytes of its name; the limit of asyncjob.check_schedule
NO_NUL = "has \\u0000, which PostgreSQL cannot store"


@dataclass(frozen=True, slots=True)
class NameText:
    """Marks the text of a name or a key: Annotated[str, NameText()]."""

    pattern: ClassVar = r"^[^\u0000]+$"

    def read(self, value: object) -> str:
        return check_name(value)


def check_name(value: object, most: int = MOST_OF_A_NAME) -> str:
    """Return the text as it is. Raise ValueError if it is none, is empty, has a NUL or takes more than `most` bytes."""
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)}: expected text in quotes")
    if not value:
        raise ValueError(f'"" is empty: expected 1 to {most} bytes')
    if "\0" in value:
        raise ValueError(f"{shown(value)} {NO_NUL}")
    if (size := len(value.encode())) > most:
        raise ValueError(f"{shown(value)} has {size} bytes, of at most {most}")
    return value


def has_nul(value: object) -> bool:
    """Return whether a text in this value of TOML, or a key, has a NUL."""
    match value:
        case str():
            return "\0" in value
        case Mapping():
            return any(has_nul(key) or has_nul(each) for key, each in value.items())
        case list():
            return any(map(has_nul, value))
        case _:
            return False
