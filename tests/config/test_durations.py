"""Durations as people write them: what is read, and what is refused with which advice."""

import re
from datetime import timedelta

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncjobd.config.durations import (
    DurationError,
    check_interval,
    format_duration,
    parse_duration,
    require_timedelta,
)

READ = {
    "90 s": timedelta(seconds=90),
    "15 min": timedelta(minutes=15),
    "15m": timedelta(minutes=15),
    "1 hour 30 min": timedelta(hours=1, minutes=30),
    "1h30min": timedelta(hours=1, minutes=30),
    " 2.5 Days ": timedelta(days=2.5),
    "3 weeks": timedelta(weeks=3),
    "20 ms": timedelta(milliseconds=20),
    "0 s": timedelta(0),
}


@pytest.mark.parametrize("text", READ)
def test_text_with_units_is_read(text: str) -> None:
    assert parse_duration(text) == READ[text]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (15, '15 has no unit: write "15 s" or "15 min"'),
        (0.5, '0.5 has no unit: write "0.5 s" or "0.5 min"'),
        ("15", '"15" has no unit: write "15 s" or "15 min"'),
        ("", '"" is not a duration: write one such as "90 s" or "1 hour 30 min"'),
        ("soon", '"soon" is not a duration'),
        ("-5 s", '"-5 s" is not a duration'),
        ("1:30:00", '"1:30:00" is not a duration'),
        ("PT15S", '"PT15S" is not a duration'),
        ("15 15 s", '"15 15 s" is not a duration'),
        (True, "true is not a duration"),
        (None, "a NoneType is not a duration"),
        (["90 s"], "a list is not a duration"),
        ("3 fortnights", '"3 fortnights": "fortnights" is no unit: write ms, s, min, hours, days or weeks'),
        ("1 min 1 minute", '"1 min 1 minute" has the unit "min" twice'),
        ("1 month", '"1 month": a month has no fixed length here: write days'),
        ("2 years", '"2 years": a year has no fixed length here: write days'),
        ("1001 weeks " + "9" * 400 + " days", "is too long: the longest is 1000 years of 360 days"),
    ],
)
def test_all_else_is_refused_with_advice(value: object, reason: str) -> None:
    with pytest.raises(DurationError, match=re.escape(reason)):
        parse_duration(value)


def test_limits_are_told() -> None:
    limits = {"at_least": timedelta(seconds=1), "at_most": timedelta(hours=1)}
    assert parse_duration("1 h", **limits) == timedelta(hours=1)
    with pytest.raises(DurationError, match=r'"0\.5 s" is too short: the shortest is 1 s'):
        parse_duration("0.5 s", **limits)
    with pytest.raises(DurationError, match='"2 h" is too long: the longest is 1 hour'):
        parse_duration("2 h", **limits)


@given(st.integers(0, 10**12))
def test_duration_that_is_shown_can_be_read_again(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration


def test_duration_is_shown_with_its_units() -> None:
    shown = {
        timedelta(seconds=90): "1 min 30 s",
        timedelta(days=2, hours=1): "2 days 1 hour",
        timedelta(0): "0 s",
    }
    assert {duration: format_duration(duration) for duration in shown} == shown


@pytest.mark.anyio
@pytest.mark.parametrize(
    "text",
    [*READ, "1 mon", "1 year 2 months", "1 hr 3 secs", "1 hour1min", "2 mons 1 w 1 d 1 h 1 m 1 s 1 ms"],
)
async def test_interval_that_is_accepted_is_one_of_postgresql(db: asyncpg.Connection, text: str) -> None:
    if text == "0 s":
        with pytest.raises(DurationError, match="too short: the shortest is 1 ms"):
            check_interval(text)
        return
    interval = await db.fetchval("select $1::text::interval", check_interval(text))
    assert READ.get(text, interval) == interval


@pytest.mark.parametrize("text", ["5\u00a0min", "5\u2009min", "5\x1cmin", "\u0663 min", "\u00a05 min"])
def test_space_or_digit_that_postgresql_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(DurationError, match="is not a duration"):
        check_interval(text)


def test_number_where_a_timedelta_is_expected_is_refused_with_advice() -> None:
    with pytest.raises(
        TypeError, match=re.escape("timeout is 30, which is no timedelta: write timedelta(seconds=30)")
    ):
        require_timedelta("timeout", 30)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["0.01 years", "1.3 years", "0.04 y 1 day"])
def test_part_of_a_year_that_postgresql_would_round_is_refused(text: str) -> None:
    """PostgreSQL takes 0.01 years for 0 months: such a retention would delete every job at once."""
    with pytest.raises(DurationError, match="rounds a part of a year to whole months"):
        check_interval(text)
    assert check_interval("1.25 years") == "1.25 years"
