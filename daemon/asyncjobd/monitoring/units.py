"""Numbers and text in the form that people read."""

from collections.abc import Iterable, Sequence

MOST_COUNTED = 10_000  # jobs of one name and state: queries stop counting there
UNITS = (
    (48 * 3600, 86400, "d"),
    (6000, 3600, "h"),
    (100, 60, "min"),
    (1, 1, "s"),
    (0, 0.001, "ms"),
)  # from so many seconds on, seconds of the unit, name


def duration(seconds: float | None) -> str:
    """Return a measured time in two or three digits and a unit: 0.34ms, 12s, 1.7h. None gives no text."""
    if seconds is None:
        return ""
    seconds = max(seconds, 0.0)
    size, name = next((size, name) for start, size, name in UNITS if seconds >= start)
    return f"{few_digits(seconds / size)}{name}"


def median_and_p99(times: Sequence[float | None] | None) -> str:
    """Return two measured times as one text: 12ms/340ms."""
    return "/".join(duration(each) or "0ms" for each in times) if times else ""


def count(number: int) -> str:
    """Return a number that a query counted; "+" says that it stopped there."""
    return f"{number}+" if number >= MOST_COUNTED else str(number)


def total(numbers: Iterable[int]) -> str:
    """Return the sum of counted numbers; "+" says that one of them stopped at its limit."""
    counted = list(numbers)
    return f"{sum(counted):,}" + ("+" if any(number >= MOST_COUNTED for number in counted) else "")


def rate(per_second: float) -> str:
    """Return a rate: 3.6/s."""
    return f"{few_digits(per_second)}/s"


def few_digits(number: float) -> str:
    """Return a number in two digits, or as a whole number from 10 on."""
    return f"{number:.2g}" if number < 9.95 else f"{number:,.0f}"


def plural(number: int, noun: str) -> str:
    """Return a number and its noun: 1 action, 2 actions."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def size(count: float) -> str:
    """Return a number of bytes with its unit."""
    for unit, length in (("GB", 1e9), ("MB", 1e6)):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"


def one_line(text: str | None) -> str:
    """Return the text in one line, harmless."""
    return " ".join(harmless(text or "").split())


def quoted(name: str) -> str:
    """Return a name in quotes, so that spaces at its ends can be seen; what is not printable is a space."""
    return f"'{''.join(each if each.isprintable() else ' ' for each in name)}'"


def shown_name(name: str | None) -> str:
    """Return a name as a table has it: in one line, and in quotes where it has spaces in it. None gives no text."""
    if name is None:
        return ""
    return name if name and name.isprintable() and " " not in name else quoted(name)


def harmless(text: str) -> str:
    """Return the text without what would move a cursor, change colours or turn it around; line ends stay."""
    return "".join(each if each.isprintable() or each in "\n\t" else " " for each in text)
