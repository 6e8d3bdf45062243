"""Rates as people write them, such as "100 per minute"."""

import re
from dataclasses import dataclass
from typing import ClassVar

from asyncjobd.config.words import shown

_RATE = re.compile(r"(?!0+ )[0-9]{1,9} per (?:second|minute|hour|day)")


class RateError(ValueError):
    """A value is no rate. The text says what to write."""


@dataclass(frozen=True, slots=True)
class RateText:
    """Marks the text of a rate: Annotated[str, RateText()]."""

    pattern: ClassVar = f"^{_RATE.pattern}$"

    def read(self, value: object) -> str:
        return check_rate(value)


def check_rate(value: object) -> str:
    """Return the text as it is, for PostgreSQL to read. Raise RateError if it would be refused."""
    if isinstance(value, str) and _RATE.fullmatch(value):
        return value
    raise RateError(
        f'{shown(value)} is not a rate: write one such as "100 per minute", with second, minute, hour or day'
    )
