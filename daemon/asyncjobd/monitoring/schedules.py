"""When the times of schedules are, and what keeps schedules from firing, in words."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from asyncjobd.config.calendars import Calendar, CalendarError, Cron, calendar_of
from asyncjobd.config.durations import format_duration
from asyncjobd.monitoring.times import full_time, zoned_times
from asyncjobd.monitoring.units import duration, one_line
from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.database import Database

LATE_SECONDS = 10.0  # from then on a time that came, and at which no daemon fired, is told

Row = dict[str, Any]


async def list_schedules(
    connection: Connection, database: Database, name: str | None = None
) -> dict[str, Row]:
    """Return the rows of list_schedules.sql by the names of the schedules."""
    rows = await connection.fetch(*database.query("inspect/list_schedules", name=name))
    return {row["name"]: dict(row) for row in rows}


def calendar_in(row: Mapping[str, Any]) -> Calendar:
    """Return the calendar of a row of list_schedules.sql. Raise CalendarError where it cannot be read."""
    return calendar_of(row["cron"], row["time_zone"], row["every"], row["anchor"])


def words_of(row: Mapping[str, Any]) -> str:
    """Return when the times of a row of list_schedules.sql are; as it is written where that cannot be read."""
    try:
        return calendar_in(row).words
    except CalendarError:
        return one_line(f"{row['cron']}, {row['time_zone']}")


def zone_of(calendar: Calendar) -> tzinfo:
    """Return the zone in which a calendar counts."""
    return calendar.zone if isinstance(calendar, Cron) else UTC


def next_times(calendar: Calendar, count: int, now: datetime) -> Iterator[str]:
    """Yield the next times of a calendar, each in its zone and in UTC."""
    time = calendar.after(now.astimezone(UTC))
    while time is not None and count > 0:
        yield zoned_times(time, zone_of(calendar), now)
        time, count = calendar.after(time), count - 1


def next_of(row: Mapping[str, Any], now: datetime) -> str:
    """Return the next time of a row of list_schedules.sql, in its zone and in UTC; empty: it has none."""
    if row["next_at"] is None:
        return ""
    try:
        zone = zone_of(calendar_in(row))
    except CalendarError:
        zone = UTC
    return zoned_times(row["next_at"], zone, now)


def schedule_state(row: Mapping[str, Any], now: datetime) -> str:
    """Return what keeps a schedule from firing, from its row of list_schedules.sql; empty: nothing does."""
    if row["paused_for"] is not None:
        return _paused(row, now)
    if row["problem"] is not None:
        rests = "rests: " if row["next_at"] is None else ""
        return f"{rests}{one_line(row['problem'])}"
    if (row["late_for"] or 0) >= LATE_SECONDS:
        return f"late for {duration(row['late_for'])}: no daemon has fired it"
    return ""


def _paused(row: Mapping[str, Any], now: datetime) -> str:
    vanished = row["source"] == "file" and row["configured_by"] is None
    why = ", as the configuration has it no more" if vanished else ""
    try:
        return f"paused until {full_time(now + timedelta(seconds=row['paused_for']), now)}{why}"
    except OverflowError:  # in so many years, or never
        return f"paused{why}"


def policy_of(row: Mapping[str, Any]) -> str:
    """Return what becomes of times that have passed, or overlap, from a row of list_schedules.sql."""
    within = f" within {format_duration(row['catch_up_for'])}" if row["catch_up"] != "none" else ""
    jitter = f", jitter {format_duration(row['jitter'])}" if row["jitter"] else ""
    return f"catch_up {row['catch_up']}{within}, overlap {row['overlap']}{jitter}"
