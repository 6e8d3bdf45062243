"""A row of numbers as bars, one cell each."""

from collections.abc import Sequence
from math import ceil

from rich.text import Text

BARS = "▁▂▃▄▅▆▇█"


def sparkline(numbers: Sequence[float | None]) -> Text:
    """Return a bar for each number: full for the largest, the lowest for 0 alone, and a gap for None."""
    most = max((number for number in numbers if number is not None), default=0.0) or 1.0
    return Text("".join(" " if number is None else _bar(number / most) for number in numbers), "blue")


def _bar(share: float) -> str:
    return BARS[ceil(share * (len(BARS) - 1))]
