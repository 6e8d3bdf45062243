"""The grid of a recursive job: no time is skipped and none begins twice, whatever the step and the clock."""

import json
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.support.daemon import DaemonProcess
from tests.support.jobs import Connection, as_engine, insert, running, unowned

pytestmark = pytest.mark.anyio

DAY = 86_400_000_000  # microseconds
MONTH = 2_629_746_000_000  # in the mean of 400 years
LONGEST = 360_000 * DAY  # 1000 years, as PostgreSQL compares intervals
in_a_database = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Step(NamedTuple):
    months: int
    days: int
    microseconds: int

    @property
    def mean(self) -> int:
        return self.months * MONTH + self.days * DAY + self.microseconds

    def __str__(self) -> str:
        seconds, microseconds = divmod(abs(self.microseconds), 1_000_000)
        time = f"{seconds // 3600}:{seconds // 60 % 60}:{seconds % 60}.{microseconds:06}"
        return f"{self.months} months {self.days} days {'-' if self.microseconds < 0 else '+'}{time}"


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """Draw any step that the table allows: months and days, and a time that makes them as long as is drawn."""
    months = draw(st.just(0) | st.integers(1, 3) | st.integers(0, 12_000))
    days = draw(st.just(0) | st.integers(-31 * months, -29 * months) | st.integers(-40_000, 40_000))
    length = draw(
        st.integers(1, DAY) | st.sampled_from([1000, 100_000, DAY, 30 * DAY]) | st.integers(1, LONGEST)
    )
    return Step(months, days, length - (30 * months + days) * DAY)


def noon(year: int, day: int) -> datetime:
    return datetime(year, 1, 1, 12, tzinfo=UTC) + timedelta(days=day)


anchors = st.datetimes(datetime(1000, 1, 1), datetime(8000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
near_leap_days = st.builds(noon, st.integers(1896, 2104), st.integers(27, 61))
# microseconds, or steps, from a time on the grid to the one after which the next is asked for
distances = st.sampled_from([-1, 0, 1]) | st.floats(-2, 2)

BY_ADDING = """  -- step by step, as PostgreSQL multiplies long intervals in floating point
with grid as (
    select k, timezone('UTC', timezone('UTC', $1::timestamptz)
                              + coalesce(sum(case when k > 0 then $2::text::interval end) over (order by k), '0')) as time
      from generate_series(0, $3::integer) as k
),
asked as (
    select time + make_interval(days => $5::integer, secs => $6::float8 / 1000000) as after from grid where k = $4
)
select case when after < $1 then $1 else min(time) filter (where time > after and time >= $1) end::text as expected,
       asyncjob.next_grid_time($1, $2::text::interval, after)::text as next,
       case when after < $1 then -1 else count(*) filter (where time <= after) - 1 end as expected_number,
       asyncjob.grid_number($1, $2::text::interval, after) as number
  from grid cross join asked
 group by after
"""


@settings(in_a_database, max_examples=300)
@given(anchors | near_leap_days, steps(), st.integers(0, 40), distances)
async def test_next_time_is_the_first_that_adding_steps_gives(
    db: Connection, anchor: datetime, step: Step, number: int, distance: float
) -> None:
    number = min(number, 24_000 // max(step.months, 1))
    last = number + 4 + (ceil(20 * DAY / step.mean) if step.months else 0)
    assume(last * -step.days < 2_000_000)  # else adding would pass through years before PostgreSQL's first
    days, microseconds = divmod(int(distance * (step.mean if isinstance(distance, float) else 1)), DAY)
    found = await db.fetchrow(BY_ADDING, anchor, str(step), last, number, days, microseconds)
    assert (found["next"], found["number"]) == (found["expected"], found["expected_number"])


@in_a_database
@given(anchors | near_leap_days, steps(), st.integers(0, 10**13), st.integers(20 * DAY, 400 * DAY))
async def test_grid_is_the_same_thousands_of_years_after_its_anchor(
    db: Connection, anchor: datetime, step: Step, cycles: int, elapsed: int
) -> None:
    """After 4800 steps (one, of a step without months) the calendar is the same again."""
    cycle = step.mean * (4800 if step.months else 1)
    days, microseconds = divmod(min(cycles, 8000 * 12 * MONTH // cycle) * cycle, DAY)
    same = await db.fetchval(
        """
        select extract(epoch from asyncjob.next_grid_time($1, step, late)) - extract(epoch from late)
               = extract(epoch from asyncjob.next_grid_time($1, step, early)) - extract(epoch from early)
          from (select $2::text::interval as step, $1::timestamptz + make_interval(secs => $3::float8 / 1000000) as early) as a
         cross join lateral (
               select timezone('UTC', timezone('UTC', early) + make_interval(days => $4, secs => $5::float8 / 1000000)) as late) as b
        """,
        anchor, str(step), elapsed, days, microseconds,
    )  # fmt: skip
    assert same


@pytest.mark.parametrize(
    ("anchor", "step", "after", "expected"),
    [
        ("2026-04-11", "1 mon -29 days", "2026-04-11", "2026-04-12"),
        ("2026-04-11", "1 mon -29 days", "2026-05-09", "2026-05-10"),
        ("2026-04-11", "100 ms", "2026-04-11 00:00:00.3", "2026-04-11 00:00:00.4"),
        ("1000-01-01", "1 ms", "2026-04-11 00:00:00.3", "2026-04-11 00:00:00.301"),
        ("1000-01-01", "1 us", "8999-12-31 23:59:59.999999", "9000-01-01"),
        ("1000-01-01", "1 mon -29 days -23:59:59.999", "1000-01-01", "1000-01-01 00:00:00.003"),
        ("2024-01-31 12:00", "1 month", "2024-01-31 12:00", "2024-02-29 12:00"),
        ("2024-01-31 12:00", "1 month", "2024-02-29 12:00", "2024-03-31 12:00"),
        ("2024-02-29", "1 year", "2024-02-29", "2025-02-28"),
        ("2024-02-29", "1 year", "2027-03-01", "2028-02-29"),
        ("1999-12-31", "1000 years", "2026-01-01", "2999-12-31"),
        ("2026-04-11", "1 hour", "2026-04-10 23:59:59.999999", "2026-04-11"),
        ("2026-02-01", "1 mon -30 days", "2026-02-01", "2026-02-02"),
        ("2026-03-29 00:30", "1 day", "2026-03-29 00:30", "2026-03-30 00:30"),
    ],
)
async def test_next_time_at_an_edge_is_neither_left_out_nor_repeated(
    db: Connection, anchor: str, step: str, after: str, expected: str
) -> None:
    for zone in (
        "UTC",
        "America/New_York",
        "Europe/Berlin",
    ):  # the session's, and its summer time, change nothing
        await db.execute(f"set timezone = '{zone}'")
        next_time = await db.fetchval(
            "select timezone('UTC', asyncjob.next_grid_time($1::text::timestamp at time zone 'UTC', $2::text::interval,"
            " $3::text::timestamp at time zone 'UTC'))",
            anchor, step, after,
        )  # fmt: skip
        assert next_time == datetime.fromisoformat(expected)


async def test_time_that_has_begun_does_not_begin_again_when_the_clock_steps_back(
    db: Connection, daemon: DaemonProcess, tmp_path: Path
) -> None:
    file = tmp_path / "end"
    hourly = {"is_recursive": "true", "retry_interval": "interval '1 hour'"}
    job_id = await insert(db, "block_in_thread", json.dumps({"file": str(file)}), **hourly)
    await running(db, job_id)
    await as_engine(  # what the row says where it was an hour and a half later than now when this execution began
        db,
        "update asyncjob.job set schedule_time = now() + interval '30 minutes', due_at = now() + interval '90 minutes'"
        " where id = $1",
        job_id,
    )
    file.touch()
    job = await unowned(db, job_id, "Queued")
    assert job["due_at"] - job["schedule_time"] == timedelta(hours=2)
    assert daemon.wait_for("job.repeats", job_id=job_id)["skipped"] == 0


@pytest.mark.parametrize("column", ["retry_interval", "timeout"])
@pytest.mark.parametrize("interval", ["-1 month 31 days", "-1 year 361 days", "13000 months -300000 days"])
async def test_interval_whose_months_would_run_backwards_or_for_ever_is_refused(
    db: Connection, column: str, interval: str
) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match=f"{column} must be more than 0"):
        await insert(db, "succeed", **{column: f"interval '{interval}'"})
