"""Sizes of memory as people write them, such as "512 MB".

The units are powers of 1024, as in the settings of PostgreSQL.
"""

import re
from dataclasses import dataclass
from typing import ClassVar

from asyncjobd.config.words import shown

LARGEST = 2**62  # bytes

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kMGT]?)i?B\s*")
_BYTES = {"": 1, "k": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


class SizeError(ValueError):
    """A value is no size, or is out of range. The text says what to write."""


@dataclass(frozen=True, slots=True)
class SizeText:
    """Marks the text of a size, of at least and at most so many bytes: Annotated[str, SizeText()]."""

    pattern: ClassVar = f"^{_SIZE.pattern}$"
    at_least: int = 1
    at_most: int = LARGEST

    def read(self, value: object) -> str:
        if not self.at_least <= parse_size(value) <= self.at_most:
            largest = "" if self.at_most == LARGEST else f", the largest {format_size(self.at_most)}"
            raise SizeError(
                f"{shown(value)} is out of range: the smallest is {format_size(self.at_least)}{largest}"
            )
        return str(value)


def parse_size(value: object) -> int:
    """Return the bytes that a text such as "512 MB" means. Raise SizeError for a number without a unit."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise SizeError(f'{value} has no unit: write "512 MB" or "2 GB"')
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise SizeError(f'{shown(value)} is not a size: write one such as "512 MB" or "2 GB"')
    return int(min(float(match[1]) * _BYTES[match[2]], LARGEST + 1))


def format_size(size: int) -> str:
    """Return the bytes as text, in the largest unit of which there is at least one."""
    prefix = next((prefix for prefix in ("T", "G", "M", "k") if size >= _BYTES[prefix]), "")
    return f"{size / _BYTES[prefix]:g} {prefix}B"
