"""Times as commands print them, and as options take them."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from asyncjobd.monitoring.times import full_time, parse_past, parse_time, short_time


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    del os.environ["TZ"]
    time.tzset()


@pytest.fixture
def now() -> datetime:
    return datetime.fromisoformat("2026-11-27T15:00:00+01:00")  # a Friday


@pytest.mark.parametrize(
    ("when", "short", "full"),
    [
        ("2026-11-27T11:31:05Z", "12:31:05", "12:31:05 (2 h ago)"),
        ("2026-11-26T11:31:05Z", "yesterday 12:31", "yesterday 12:31 (26 h ago)"),
        ("2026-11-28T08:00:00Z", "tomorrow 09:00", "tomorrow 09:00 (in 18 h)"),
        ("2026-12-24T17:00:00Z", "24 Dec 18:00", "24 Dec 2026 18:00 (in 27 days)"),
        ("2027-04-24T17:00:00Z", "24 Apr 19:00", "24 Apr 2027 19:00 (in 148 days)"),
        ("2024-02-03T17:00:00Z", "3 Feb 2024", "3 Feb 2024 18:00 (3 years ago)"),
        ("2036-11-27T05:54:24Z", "in 10 years", "27 Nov 2036 06:54 (in 10 years)"),
    ],
)
def test_times_are_local_and_short(now: datetime, when: str, short: str, full: str) -> None:
    time_of = datetime.fromisoformat(when)
    assert short_time(time_of, now) == short
    assert full_time(time_of, now) == full


def test_times_are_utc_where_now_is(now: datetime) -> None:
    when = datetime.fromisoformat("2027-04-24T17:00:00Z")
    assert full_time(when, now.astimezone(UTC)).startswith("24 Apr 2027 17:00 (")
    assert short_time(when, now.astimezone(UTC)) == "24 Apr 17:00"


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("now", "2026-11-27T15:00:00+01:00"),
        ("in 90 s", "2026-11-27T15:01:30+01:00"),
        ("in 1.5 hours", "2026-11-27T16:30:00+01:00"),
        ("tomorrow", "2026-11-28T15:00:00+01:00"),
        ("Tomorrow 9:00", "2026-11-28T09:00:00+01:00"),
        ("tomorrow at 9:00:30", "2026-11-28T09:00:30+01:00"),
        ("16:00", "2026-11-27T16:00:00+01:00"),
        ("9:00", "2026-11-28T09:00:00+01:00"),
        ("friday 9:00", "2026-12-04T09:00:00+01:00"),
        ("saturday 9:00", "2026-11-28T09:00:00+01:00"),
        ("2030-07-31 09:30", "2030-07-31T09:30:00+02:00"),
        ("2030-01-31T09:30Z", "2030-01-31T10:30:00+01:00"),
    ],
)
def test_times_are_understood(now: datetime, text: str, when: str) -> None:
    assert parse_time(text, now) == datetime.fromisoformat(when)


@pytest.mark.parametrize("text", ["", "soon", "tomorrow 25:00", "in 2 fortnights", "5"])
def test_what_is_no_time_is_refused_with_the_forms(now: datetime, text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        parse_time(text, now)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-02-30", "2026-02-30: February 2026 has 28 days"),
        ("2028-02-30T02:00", "2028-02-30: February 2028 has 29 days"),
    ],
)
def test_day_that_its_month_lacks_is_said(now: datetime, text: str, said: str) -> None:
    for parse in (parse_time, parse_past):
        with pytest.raises(ValueError, match=f"^{said}$"):
            parse(text, now)


def test_times_without_a_zone_are_utc_where_now_is() -> None:
    now = datetime(2026, 11, 27, 14, 0, tzinfo=UTC)
    assert parse_time("2026-11-28 09:30", now) == datetime(2026, 11, 28, 9, 30, tzinfo=UTC)
    assert parse_time("14:30", now) == datetime(2026, 11, 27, 14, 30, tzinfo=UTC)
    assert parse_past("14:30", now) == datetime(2026, 11, 26, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2026-07-01T02:00", "2026-07-01T00:00Z"),
        ("2026-10-25T00:30", "2026-10-24T22:30Z"),
        ("01:00", "2026-10-24T23:00Z"),
        ("02:30", "2026-10-25T00:30Z"),
        ("08:30", "2026-10-24T06:30Z"),
    ],
)
def test_past_times_have_the_offset_of_their_day(text: str, when: str) -> None:
    now = datetime.fromisoformat("2026-10-25T08:00:00+01:00")  # after the clock went back at 3:00
    assert parse_past(text, now) == datetime.fromisoformat(when)


@pytest.mark.parametrize(
    "text", ["2027-03-28 02:30", "2027-03-28 02:00:00.5", "tomorrow 2:30", "sunday 2:30"]
)
def test_time_that_a_clock_change_leaves_out_comes_at_the_end_of_the_gap(text: str) -> None:
    now = datetime.fromisoformat("2027-03-27T15:00:00+01:00")
    assert parse_time(text, now) == datetime.fromisoformat("2027-03-28T03:00:00+02:00")
    assert parse_time("2027-03-28 03:00", now) == parse_time(text, now)


def test_clock_change_keeps_the_time_of_day() -> None:
    before = datetime.fromisoformat("2026-10-24T09:00:00+02:00")
    assert parse_time("tomorrow 9:00", before) - before == timedelta(hours=25)
