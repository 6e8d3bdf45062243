"""The times of cron lines and of grids, in zones whose clocks change; against a scan minute by minute."""

import random
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from asyncjobd.config.calendars import ANCHOR, Calendar, CalendarError, Cron, Every, calendar_of, latest
from tests.support.jobs import Connection

# In each zone, a time around which its clocks change, and by how many minutes.
CHANGES = {
    "Europe/Berlin": [("2027-03-28 01:00", 60), ("2027-10-31 01:00", -60)],
    "America/New_York": [("2027-03-14 07:00", 60), ("2027-11-07 06:00", -60)],
    "America/Sao_Paulo": [("2018-11-04 03:00", 60), ("2018-02-18 02:00", -60)],  # at midnight
    "Africa/Casablanca": [("2027-02-07 02:00", -60), ("2027-03-14 02:00", 60)],  # for the Ramadan
    "America/Havana": [("2027-03-14 05:00", 60), ("2027-11-07 05:00", -60)],  # at midnight, and at 1:00
    "Pacific/Apia": [("2011-12-30 10:00", 24 * 60)],  # the 30th of December did not exist
}
LINES = (
    "30 2 * * *", "*/30 * * * *", "0 0 * * *", "15 0-3 * * *", "0 */2 * * *", "5,35 * * * *", "0 3 * * SUN",
    "45 1 1 * *", "59 23 * * *", "*/20 2 * * *", "10 0 30 12 *", "15 * * * *", "30 1,2 * * 0,6",
)  # fmt: skip
AROUND = timedelta(hours=40)
MINUTE = timedelta(minutes=1)


def scan(line: str, zone: ZoneInfo, first: datetime, last: datetime) -> list[datetime]:
    """Return the times of a line by Debian cron's rules, from a look at each minute of the clock.

    A minute that the clock shows twice counts once, and one that it skips counts at the end of the gap, unless hour or
    minute begins with `*`: then the minutes count as the clock shows them.
    """
    rules = CronSim(line, first)
    follows_clock = line.split()[0].startswith("*") or line.split()[1].startswith("*")
    found = set()
    at = first
    while at <= last:
        shown, before = at.astimezone(zone), (at - MINUTE).astimezone(zone)
        if follows_clock:
            minutes = [shown]
        else:
            minutes = [shown] if shown.fold == 0 else []
            skipped = before.replace(tzinfo=None) + MINUTE
            while skipped < shown.replace(tzinfo=None):
                minutes.append(skipped)
                skipped += MINUTE
        if any(matches(rules, minute) for minute in minutes):
            found.add(at)
        at += MINUTE
    return sorted(found)


def matches(rules: CronSim, time: datetime) -> bool:
    is_of_day = time.month in rules.months and rules.match_day(time.date())
    return is_of_day and time.hour in rules.hours and time.minute in rules.minutes


def times_between(calendar: Calendar, first: datetime, last: datetime) -> list[datetime]:
    found = []
    at = calendar.after(first)
    while at is not None and at <= last:
        found.append(at)
        at = calendar.after(at)
    return found


@pytest.mark.parametrize(
    ("name", "change", "minutes"),
    [(name, change, minutes) for name, changes in CHANGES.items() for change, minutes in changes],
)
def test_times_around_a_change_of_the_clock_are_those_of_a_scan(name: str, change: str, minutes: int) -> None:
    zone, at = ZoneInfo(name), datetime.fromisoformat(change).replace(tzinfo=UTC)
    offsets = [time.astimezone(zone).utcoffset() for time in (at - MINUTE, at)]
    assert None not in offsets
    assert offsets[1] - offsets[0] == timedelta(minutes=minutes)  # type: ignore[operator]
    first, last = at - AROUND, at + AROUND
    for line in LINES:
        found = times_between(Cron(line, name), first, last)
        assert found == [time for time in scan(line, zone, first, last) if time > first], line


@pytest.mark.parametrize("start", range(0, 180, 7))
def test_time_that_exists_twice_is_not_found_again_from_within_the_second_hour(start: int) -> None:
    """cronsim goes back to the first hour from there."""
    cron = Cron("30 2 * * *", "Europe/Berlin")
    twice = datetime(2027, 10, 31, 0, 30, tzinfo=UTC)
    at = datetime(2027, 10, 31, 0, 0, tzinfo=UTC) + start * MINUTE
    assert cron.after(at) == (twice if at < twice else datetime(2027, 11, 1, 1, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    "line", ["* * * * * *", "*/7 * * * *", "30 2 * * MON-FRI", "0 0 29 2 *", "*/10 0 0 * * *"]
)
def test_latest_time_is_that_of_a_walk(line: str) -> None:
    cron, chance = Cron(line, "Europe/Berlin"), random.Random(line)
    for _ in range(10):
        since = datetime(2027, 3, 27, tzinfo=UTC) + timedelta(seconds=chance.randrange(3 * 86400))
        until = since + timedelta(seconds=chance.randrange(600))
        walked = times_between(cron, since, until)
        assert latest(cron, since, until) == (walked[-1] if walked else None)


def test_latest_time_of_many_is_found_at_once() -> None:
    asked = 0

    class Counted(Every):
        def after(self, at: datetime) -> datetime | None:
            nonlocal asked
            asked += 1
            return super().after(at)

    until = ANCHOR + timedelta(days=100_000)
    assert latest(Counted(timedelta(seconds=1)), ANCHOR, until) == until
    assert asked < 150


@pytest.mark.anyio
async def test_grid_is_that_of_recursive_jobs(db: Connection) -> None:
    chance = random.Random(1)
    for _ in range(200):
        step = timedelta(days=chance.choice([0, 0, 1, 30]), seconds=chance.randrange(1, 10**6))
        anchor = ANCHOR + timedelta(seconds=chance.randrange(10**9))
        at = anchor + chance.choice([-1, 1]) * timedelta(microseconds=chance.randrange(10**15))
        expected = await db.fetchval("select asyncjob.next_grid_time($1, $2, $3)", anchor, step, at)
        assert Every(step, anchor).after(at) == expected


def test_there_is_an_end_to_all_times() -> None:
    end = datetime(9999, 12, 31, 12, tzinfo=UTC)
    assert Cron("0 0 1 1 *", "Europe/Berlin").after(end) is None
    assert Every(timedelta(days=300_000), ANCHOR).after(end) is None
    assert Cron("0 0 1 1 *", "Europe/Berlin").after(datetime.max.replace(tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("@yearly", "At 00:00 on January 1, UTC"),
        ("@Monthly", "At 00:00 on the first day of every month, UTC"),
        ("@weekly", "At 00:00 on Sunday, UTC"),
        ("@daily", "At 00:00 every day, UTC"),
        ("@hourly", "At the start of every hour, UTC"),
        ("0 30 2 * * MON-FRI", "At 02:30 on Monday through Friday, UTC"),
        ("*/10 * * * * *", "Every 10th second of every minute, UTC"),
    ],
)
def test_lines_in_words(line: str, words: str) -> None:
    assert Cron(line, "UTC").words == words


@pytest.mark.parametrize(
    "line", ["", "* * * *", "60 * * * *", "0 0 32 2 *", "0 0 31 13 *", "a b c d e", "*/0 * * * *"]
)
def test_what_is_no_cron_line_says_so(line: str) -> None:
    with pytest.raises(CalendarError, match=r"is no cron line .*: write "):
        Cron(line, "UTC")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0 0 31 2 *", '"0 0 31 2 *" would never come: month 2 has no day 31'),
        ("0 0 0 30,31 FEB *", '"0 0 0 30,31 FEB *" would never come: month FEB has no day 30,31'),
        ("@midnight", '"@midnight" is no cron line: write @daily'),
        ("@Annually", '"@Annually" is no cron line: write @yearly'),
        (
            "@reboot",
            '"@reboot" is no cron line: write one of @yearly, @monthly, @weekly, @daily, @hourly',
        ),
    ],
)
def test_line_that_other_crons_take_is_told_with_what_to_write(line: str, said: str) -> None:
    with pytest.raises(CalendarError, match=f"^{re.escape(said)}$"):
        Cron(line, "UTC")


@pytest.mark.parametrize("zone", ["", "Berlin", "..", "Europe", "/etc/passwd", "\0", "x" * 1000])
def test_what_is_no_time_zone_says_so(zone: str) -> None:
    with pytest.raises(CalendarError, match="is no time zone"):
        Cron("@daily", zone)


def test_schedule_has_a_line_or_a_step() -> None:
    for cron, every in ((None, None), ("@daily", timedelta(days=1))):
        with pytest.raises(CalendarError, match="either cron or every"):
            calendar_of(cron, "UTC", every, None)
