"""Selections: which jobs a text means."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncjobd.monitoring.selection import Selection, SelectionError, parse_selection

NOW = datetime(2026, 11, 28, 3, 12, 9, tzinfo=UTC)


def parse(text: str) -> Selection:
    return parse_selection(text, NOW)


def test_all_words() -> None:
    assert parse(
        'name:Email* status:failed params.to:a@b.c params.deep.er:"1 2" message:"timed \\"out\\"" daemon:blue parent:42 '
        "key:x:y limit_key:t"
    ) == Selection(
        job_name="Email*", state="Failed", params={"to": "a@b.c", "deep.er": "1 2"}, message='timed "out"',
        daemon="blue", parent_id=42, key="x:y", limit_key="t",
    )  # fmt: skip


def test_no_words_mean_all_jobs() -> None:
    assert parse("") == parse("  ") == Selection()


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("02:00", NOW.replace(hour=2, minute=0, second=0)),
        ("04:30", NOW.replace(day=27, hour=4, minute=30, second=0)),
        ("90m", NOW - timedelta(minutes=90)),
        ("2h", NOW - timedelta(hours=2)),
        ("3d", NOW - timedelta(days=3)),
        ("2026-11-01T02:00", datetime(2026, 11, 1, 2, tzinfo=UTC)),
        ("2026-11-01T02:00+01:00", datetime(2026, 11, 1, 1, tzinfo=UTC)),
        ('"2026-11-01"', datetime(2026, 11, 1, tzinfo=UTC)),
    ],
)
def test_times_are_those_that_were(text: str, time: datetime) -> None:
    assert parse(f"since:{text} until:{text}") == Selection(since=time, until=time)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("failed", "'failed' is no part of a selection: write name, status, "),
        ("name:a b", "'b' is no part of a selection"),
        ('name:"a', "'name:\"a' is no part of a selection"),
        ('name:a"b"', "is no part of a selection"),
        ("nmae:a", "'nmae' is no word of a selection: write name, status, "),
        ("params:a", "'params' is no word of a selection"),
        ("name:a name:b", "name is given twice: a job has one"),
        ("params.a:1 params.a:2", "params.a is given twice"),
        (
            "status:done",
            "status:done: expected one of Queued, In Progress, Completed, Failed, Hold, ready, running",
        ),
        ("parent:x", "parent:x: expected the id of a job"),
        ("parent:9223372036854775808", "expected the id of a job"),
        ("since:yesterday", "since:yesterday: write 02:00, 90m, 2h, 3d or 2026-11-28T02:00"),
        ("since:25:00", "since:25:00: "),
        ("since:999999999d", "that is too long ago"),
    ],
)
def test_what_is_no_selection_is_said(text: str, said: str) -> None:
    with pytest.raises(SelectionError) as refused:
        parse(text)
    assert said in str(refused.value)


@given(st.text())
def test_any_text_is_a_selection_or_refused(text: str) -> None:
    with suppress(SelectionError):
        parse(text)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_quoted_values_are_any_text(name: str, value: str) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    assert parse(f"name:{quoted(name)} params.x:{quoted(value)}") == Selection(
        job_name=name, params={"x": value}
    )
