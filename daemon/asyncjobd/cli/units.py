"""DaemonMetrics as people read them."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from asyncjobd.cli.dashboard.overview import MOST_COUNTED

UNITS = (
    (48 * 3600, 86400, "d"),
    (6000, 3600, "h"),
    (100, 60, "min"),
    (1, 1, "s"),
    (0, 0.001, "ms"),
)  # from, size, name


def duration(seconds: float | None) -> str:
    """Two or three digits and a unit: 0.34ms, 12s, 1.7h."""
    if seconds is None:
        return ""
    seconds = max(seconds, 0.0)
    size, name = next((size, name) for start, size, name in UNITS if seconds >= start)
    return f"{few_digits(seconds / size)}{name}"


def median_and_p99(times: Sequence[float | None] | None) -> str:
    return "/".join(duration(each) or "0ms" for each in times) if times else ""


def count(number: int) -> str:
    return f"{number}+" if number >= MOST_COUNTED else str(number)


def total(numbers: Iterable[int]) -> str:
    """Of counts, one of which may have been of as many or more."""
    counted = list(numbers)
    return f"{sum(counted):,}" + ("+" if any(number >= MOST_COUNTED for number in counted) else "")


def rate(a_second: float) -> str:
    return f"{few_digits(a_second)}/s"


def few_digits(number: float) -> str:
    return f"{number:.2g}" if number < 9.95 else f"{number:,.0f}"


def clock(time: datetime | None, now: datetime) -> str:
    """Local time; of another day, the day."""
    if time is None:
        return ""
    local = time.astimezone()
    return f"{local:%H:%M:%S}" if local.date() == now.astimezone().date() else f"{local:%d %b}"


def one_line(text: str | None) -> str:
    """Without line ends, and harmless."""
    return " ".join(harmless(text or "").split())


def harmless(text: str) -> str:
    """Without what would move a terminal's cursor, change its colours or turn the text around; line ends stay."""
    return "".join(each if each.isprintable() or each in "\n\t" else " " for each in text)


def size(count: float) -> str:
    """Of so many bytes."""
    for unit, length in (("GB", 1e9), ("MB", 1e6)):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"
