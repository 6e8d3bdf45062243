"""The times of a schedule: those of a cron line in a time zone, or those of a grid.

All times that are asked for and returned are in UTC.
"""

import difflib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Protocol
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from asyncjobd.config.durations import format_duration
from asyncjobd.config.words import shown

SHORTEST_STEP = timedelta(seconds=1)
ANCHOR = datetime(2001, 1, 1, tzinfo=UTC)  # a Monday; the default of asyncjob.schedule.anchor
NAMED_LINES = {
    "@yearly": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * SUN",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
}
SYNONYMS = {"@annually": "@yearly", "@midnight": "@daily"}  # of other crons
_FORMS = (
    '"minute hour day month weekday", such as "30 2 * * MON-FRI", with the seconds before it or without, '
    f"or one of {', '.join(NAMED_LINES)}"
)


class CalendarError(ValueError):
    """Raised for a cron line or a time zone that cannot be read; it says what to write."""


class Calendar(Protocol):
    """The times of a schedule. `words` say which these are."""

    @property
    def words(self) -> str: ...

    def after(self, at: datetime) -> datetime | None:
        """Return the first time after this one; None where there is none within 50 years."""


@dataclass(frozen=True, slots=True)
class CronText:
    """Marks the text of a cron line: Annotated[str, CronText()]."""

    pattern: ClassVar = r"\S"

    def read(self, value: object) -> str:
        return check_cron(value)


@dataclass(frozen=True, slots=True)
class ZoneText:
    """Marks the name of a time zone: Annotated[str, ZoneText()]."""

    pattern: ClassVar = r"\S"

    def read(self, value: object) -> str:
        return zone_of(value).key


class Cron:
    """The times of a cron line, as cron of Debian has them where clocks change.

    A time that does not exist comes at the end of the gap, and one that exists twice comes once, unless the hour or the
    minute begins with `*`, or the line has seconds.
    """

    def __init__(self, line: str, time_zone: str) -> None:
        """Raise CalendarError for a line or a zone that cannot be read."""
        check_cron(line)
        self.zone = zone_of(time_zone)
        self._fields = NAMED_LINES.get(line.lower(), line)

    @property
    def words(self) -> str:
        return f"{CronSim(self._fields, ANCHOR).explain()}, {self.zone.key}"

    def after(self, at: datetime) -> datetime | None:
        """Return the first time after this one."""
        try:
            for time in CronSim(self._fields, at.astimezone(self.zone)):
                found = time.astimezone(UTC)
                if found > at:  # of an hour that comes twice it may be the one before
                    return found
        except (OverflowError, ValueError):  # behind the last year
            pass
        return None


@dataclass(frozen=True, slots=True)
class Every:
    """The times anchor + k * step, for k = 0, 1, 2, ...; as the grid of a recursive job."""

    step: timedelta
    anchor: datetime = ANCHOR

    @property
    def words(self) -> str:
        start = (
            "" if self.anchor == ANCHOR else f" from {self.anchor.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC on"
        )
        return f"Every {format_duration(self.step)}{start}"

    def after(self, at: datetime) -> datetime | None:
        """Return the first time after this one."""
        if at < self.anchor:
            return self.anchor
        try:
            return self.anchor + ((at - self.anchor) // self.step + 1) * self.step
        except OverflowError:
            return None


def calendar_of(
    cron: str | None, time_zone: str, every: timedelta | None, anchor: datetime | None
) -> Calendar:
    """Return the calendar of a schedule that has these columns. Raise CalendarError, which says what to write."""
    if cron is not None and every is None:
        return Cron(cron, time_zone)
    if every is not None and cron is None:
        return Every(every, anchor or ANCHOR)
    raise CalendarError("a schedule has either cron or every")


def latest(calendar: Calendar, since: datetime, until: datetime) -> datetime | None:
    """Return the last time after `since` and not after `until`; None where there is none."""
    found = calendar.after(since)
    if found is None or found > until:
        return None
    while (following := calendar.after(found)) is not None and following <= until:
        middle = found + (until - found) / 2
        later = calendar.after(middle)
        if later is not None and later <= until:
            found = later
        else:
            found, until = following, middle
    return found


def check_cron(value: object) -> str:
    """Return the text as it is. Raise CalendarError if it is no cron line."""
    if not isinstance(value, str):
        raise CalendarError(f"{shown(value)} is no cron line: write {_FORMS}")
    try:
        CronSim(NAMED_LINES.get(value.lower(), value), ANCHOR)
    except (CronSimError, ValueError) as error:
        raise CalendarError(f"{shown(value)} {_why_no_line(value, str(error))}") from error
    return value


def _why_no_line(line: str, reason: str) -> str:
    """Return what is wrong with a line, for CronSim's `reason`, and what to write."""
    if line.startswith("@"):
        others = f"one of {', '.join(NAMED_LINES)}"
        return f"is no cron line: write {SYNONYMS.get(line.lower(), others)}"
    if reason == "Bad day-of-month":
        *first, day, month, weekday = line.split()
        try:
            CronSim(" ".join([*first, day, "*", weekday]), ANCHOR)
        except CronSimError:
            pass
        else:
            return f"would never come: month {month} has no day {day}"
    return f"is no cron line ({reason[:1].lower()}{reason[1:]}): write {_FORMS}"


def zone_of(value: object) -> ZoneInfo:
    """Return the time zone of this name. Raise CalendarError, with the most similar name, if there is none."""
    if isinstance(value, str) and value:
        try:
            return ZoneInfo(value)
        except (KeyError, ValueError, OSError):  # it is looked for as a file
            close = difflib.get_close_matches(value, sorted(available_timezones()), 1)
            if close:
                raise CalendarError(f'{shown(value)} is no time zone; did you mean "{close[0]}"?') from None
    raise CalendarError(f'{shown(value)} is no time zone: write one such as "Europe/Berlin"')
