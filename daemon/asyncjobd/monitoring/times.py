"""Times as commands print them, local and short, and as options take them."""

import re
from bisect import bisect_left
from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta, tzinfo

YEAR = timedelta(days=365)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
FORMS = (
    '"2030-01-31 09:30", "2030-01-31T09:30Z", "9:30", "tomorrow", "tomorrow 9:30", "monday 9:30", "in 2 h" '
    'or "in 90 s"'
)
AHEAD = {  # by how a unit begins: seconds
    "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400,
}  # fmt: skip
AGO = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

_IN = re.compile(r"in\s+(\d+(?:\.\d+)?)\s*(s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?|w|weeks?)")
_DAY = re.compile(
    rf"(today|tomorrow|{'|'.join(WEEKDAYS)})?\s*(?:at\s+)?(?:(\d{{1,2}}):(\d{{2}})(?::(\d{{2}}))?)?"
)

_AGO = re.compile(r"(\d{1,9})\s?([smhd])")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")
_DATE = re.compile(r"(?!0000)(\d{4})-(0[1-9]|1[0-2])-(\d{2})")


def short_time(when: datetime | None, now: datetime) -> str:
    """Return a time for a column: 12:31:05, yesterday 12:31, 3 Feb 12:31, 3 Feb 2024, in 10 years.

    It is local, or UTC where `now` is.
    """
    if when is None:
        return ""
    local, today = _as_now(when, now), _as_now(now, now).date()
    if (day := _day(local.date(), today)) is not None:
        return f"{day} {local:%H:%M}" if day else f"{local:%H:%M:%S}"
    if when - now >= YEAR:
        return f"in {round((when - now) / YEAR)} year{'s' if when - now >= 1.5 * YEAR else ''}"
    if abs(when - now) < YEAR / 2:
        return f"{local.day} {local:%b %H:%M}"
    return f"{local.day} {local:%b %Y}"


def full_time(when: datetime | None, now: datetime) -> str:
    """Return a time and how far it is: 12:31:05 (3 min ago), 27 Nov 2036 06:54 (in 10 years).

    It is local, or UTC where `now` is.
    """
    if when is None:
        return ""
    local = _as_now(when, now)
    day = _day(local.date(), _as_now(now, now).date())
    if day is None:
        day = f"{local.day} {local:%b %Y}"
    shown = f"{day} {local:%H:%M}" if day else f"{local:%H:%M:%S}"
    return f"{shown} ({distance(when - now)})"


def _as_now(when: datetime, now: datetime) -> datetime:
    """Return a time in UTC where `now` is, else the local one: the offset of a local `now` is not that of all times."""
    return when.astimezone(UTC if now.tzinfo is UTC else None)


def zoned_times(when: datetime, zone: tzinfo, now: datetime) -> str:
    """Return a time in a zone and in UTC: Mon 30 Nov 2026 02:30 CET, 01:30 UTC (in 2 days)."""
    local, universal = when.astimezone(zone), when.astimezone(UTC)
    clock = "%H:%M:%S" if when.second or when.microsecond else "%H:%M"
    shown = f"{local:%a} {local.day} {local:%b %Y {clock} %Z}"
    if local.replace(tzinfo=None) != universal.replace(tzinfo=None):
        day = "" if local.date() == universal.date() else f"{universal:%a} {universal.day} {universal:%b} "
        shown += f", {day}{universal:{clock} UTC}"
    return f"{shown} ({distance(when - now)})"


def distance(far: timedelta) -> str:
    """Return how far a time is in plain words: in 3 min, 2 days ago."""
    seconds = abs(far.total_seconds())
    units = ((365 * 86400, "year"), (86400, "day"), (3600, "h"), (60, "min"), (1, "s"))
    size, name = next(((size, name) for size, name in units if seconds >= 2 * size), (1, "s"))
    number = round(seconds / size)
    text = f"{number} {name}{'s' if name in {'year', 'day'} and number != 1 else ''}"
    return f"in {text}" if far > timedelta(0) else f"{text} ago"


def _day(day: date, today: date) -> str | None:
    """Return the day as a word, which is empty for today; None for a day that has none."""
    return {0: "", 1: "tomorrow", -1: "yesterday"}.get((day - today).days)


def parse_time(text: str, now: datetime) -> datetime:
    """Return the time of an option such as --at; where it names no zone, it is local, or UTC where `now` is. Raise
    ValueError, which says the forms that are understood."""
    wanted = " ".join(text.lower().split())
    if wanted == "now":
        return now
    if wanted and (match := _DAY.fullmatch(wanted)):
        return _on_day(match, text, _as_now(now, now))
    try:
        if match := _IN.fullmatch(wanted):
            return now + timedelta(seconds=float(match[1]) * AHEAD[match[2][0]])
        return _moment(datetime.fromisoformat(text.strip()), now)
    except (ValueError, OverflowError):
        raise ValueError(_why_no_day(text.strip()) or f"{text!r} is no time: write {FORMS}") from None


def parse_past(text: str, now: datetime) -> datetime:
    """Return a time in the past: the last 02:00, so long ago, or a date and time; where it names no zone, it is local,
    or UTC where `now` is. Raise ValueError, which says the forms that are understood."""
    if match := _AGO.fullmatch(text):
        try:
            return now - timedelta(**{AGO[match[2]]: int(match[1])})
        except OverflowError as error:
            raise ValueError("that is too long ago") from error
    if match := _CLOCK.fullmatch(text):
        clock = time(int(match[1]), int(match[2]))
        today = _at(now, 0, clock)
        return today if today <= now else _at(now, -1, clock)
    try:
        return _moment(datetime.fromisoformat(text), now)
    except (ValueError, OverflowError):
        raise ValueError(_why_no_day(text) or "write 02:00, 90m, 2h, 3d or 2026-11-28T02:00") from None


def _why_no_day(text: str) -> str | None:
    """Return that a date is behind the last day of its month; None where it is not."""
    if (match := _DATE.match(text)) is None:
        return None
    year, month, day = map(int, match.groups())
    days = monthrange(year, month)[1]
    return f"{match[0]}: {date(year, month, 1):%B %Y} has {days} days" if day > days else None


def _on_day(match: re.Match[str], text: str, now: datetime) -> datetime:
    """Return the next such time. A day alone is that day at the present time."""
    day, clock = match[1], now.time().replace(microsecond=0)
    if match[2] is not None:
        try:
            clock = time(int(match[2]), int(match[3]), int(match[4] or 0))
        except ValueError as error:
            raise ValueError(f"{text!r} is no time: {error}") from None
    days = {"tomorrow": 1}.get(day or "", 0)
    if day in WEEKDAYS:
        days = (WEEKDAYS.index(day) - now.weekday()) % 7
    found = _at(now, days, clock)
    if found <= now and day is None:
        return _at(now, 1, clock)
    return _at(now, days + 7, clock) if found <= now and day in WEEKDAYS else found


def _at(now: datetime, days: int, clock: time) -> datetime:
    """Return the time of day so many days ahead, whatever the clock does in between."""
    return _moment(datetime.combine(_as_now(now, now).date() + timedelta(days), clock), now)


def _moment(given: datetime, now: datetime) -> datetime:
    """Return when it is a time that may have no zone: local, or UTC where `now` is.

    A local time that a change of the clock leaves out is the end of the gap; of one that comes twice it is the first.
    """
    if given.tzinfo is not None:
        return _as_now(given, now)
    if now.tzinfo is UTC:
        return given.replace(tzinfo=UTC)
    found = given.astimezone()
    if found.replace(tzinfo=None) == given:
        return found
    around = range(int(given.replace(fold=1).timestamp()), int(given.timestamp()) + 2)
    return datetime.fromtimestamp(around[bisect_left(around, given, key=datetime.fromtimestamp)]).astimezone()
