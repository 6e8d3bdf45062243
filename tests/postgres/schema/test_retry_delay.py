"""The delay of a retry: what the documentation says, whatever the factor, the try and the intervals."""

from datetime import timedelta

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.jobs import Connection, insert
from tests.support.retries import LONGEST, longest_delay, retry_delay

pytestmark = pytest.mark.anyio

DELAY = "asyncjob.retry_delay($1::text::interval, $2, $3::text::interval, $4, $5, $6)"
# extract counts 365.25 days to a year
IN_MICROSECONDS = (
    f"select (1000000 * (extract(epoch from {DELAY}) - 453600 * extract(year from {DELAY})))::bigint"
)
MICROSECOND = timedelta(microseconds=1)

durations = st.timedeltas(MICROSECOND, LONGEST) | st.timedeltas(MICROSECOND, timedelta(hours=1))
factors = st.floats(1, 1000) | st.sampled_from([1.0, 1.0000001, 1.5, 2.0, 1000.0])
shares = st.floats(0, 1) | st.sampled_from([0.0, 1.0])
ids = st.integers(1, 2**63 - 1)
tries = st.integers(1, 20) | st.integers(1, 2**31 - 1)
in_a_database = settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def text(duration: timedelta, months: int = 0) -> str:
    """Return an interval of this length, of which so many months are written as such."""
    microseconds = (duration - timedelta(days=30 * months)) // MICROSECOND
    return f"{months} months {microseconds // 1000} ms {microseconds % 1000} us"


@in_a_database
@given(durations, factors, durations, shares, ids, tries, st.integers(0, 12_000), st.integers(0, 12_000))
@example(MICROSECOND, 1000.0, LONGEST, 0.0, 1, 2**31 - 1, 0, 12_000)
@example(LONGEST, 1000.0, MICROSECOND, 1.0, 1, 1, 12_000, 0)
@example(LONGEST, 1.0, LONGEST, 0.0, 1, 2**31 - 1, 12_000, 12_000)
async def test_delay_is_that_of_the_formula(
    db: Connection, interval: timedelta, backoff: float, most: timedelta, jitter: float, job_id: int,
    number: int, months: int, months_of_most: int,
) -> None:  # fmt: skip
    months = min(months, interval.days // 30)
    months_of_most = min(months_of_most, most.days // 30)
    microseconds = await db.fetchval(
        IN_MICROSECONDS, text(interval, months), backoff, text(most, months_of_most), jitter, job_id, number
    )
    found = microseconds * MICROSECOND
    expected = retry_delay(interval, backoff, most, jitter, job_id, number)
    longest = longest_delay(interval, backoff, number, most)
    rounding = 2 * MICROSECOND + longest * 1e-9
    if months or months_of_most:  # PostgreSQL rounds parts of them to a millionth of a day
        rounding += timedelta(milliseconds=100)
    assert abs(found - expected) <= rounding
    assert (1 - jitter) * longest - rounding <= found <= longest + rounding
    assert found <= most + 4 * MICROSECOND  # in 1000 years PostgreSQL's multiplication has no more digits


@pytest.mark.parametrize("interval", ["15 minutes", "1 month", "1000 years", "1 mon -29 days", "1 us"])
async def test_without_backoff_and_jitter_it_is_the_interval_itself(db: Connection, interval: str) -> None:
    same = await db.fetchval(
        "select bool_and(asyncjob.retry_delay(step, null, null, null, 7, try)::text = step::text)"
        " from unnest(array[1, 2, 2147483647]) as try, (select $1::text::interval as step) as of_one",
        interval,
    )
    assert same


@pytest.mark.parametrize(
    ("interval", "backoff", "most", "number", "expected"),
    [
        ("15 min", 2.0, None, 4, "02:00:00"),
        ("15 min", 2.0, "1 hour", 4, "01:00:00"),
        ("2 hours", 1.0, "1 hour", 1, "01:00:00"),
        ("1 month", 2.0, None, 3, "4 mons"),
        ("1 month", 1.5, None, 2, "1 mon 15 days"),
        ("1 us", 1000.0, None, 2**31 - 1, "1000 years"),
    ],
)
async def test_delay_grows_up_to_the_maximum(
    db: Connection, interval: str, backoff: float, most: str | None, number: int, expected: str
) -> None:
    found = await db.fetchval(f"select {DELAY}::text", interval, backoff, most, 0.0, 1, number)
    assert found == expected


async def test_jobs_that_fail_together_are_spread_evenly(db: Connection) -> None:
    rows = await db.fetch(
        "select width_bucket(extract(epoch from asyncjob.retry_delay('100 s', 1, null, 0.5, id, try)), 50, 100, 10)"
        " as tenth, count(*) as jobs from generate_series(1, 1000) as id, generate_series(1, 3) as try group by 1"
    )
    assert {row["tenth"] for row in rows} == set(range(1, 11))
    assert all(200 < row["jobs"] < 400 for row in rows)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("retry_backoff", "0.9", "must be from 1 to 1000, and is 0.9"),
        ("retry_backoff", "1001", "must be from 1 to 1000"),
        ("retry_backoff", "'NaN'", "must be from 1 to 1000, and is NaN"),
        ("retry_backoff", "'Infinity'", "must be from 1 to 1000"),
        ("retry_jitter", "-0.1", "must be from 0 to 1, and is -0.1"),
        ("retry_jitter", "'NaN'", "must be from 0 to 1"),
        ("retry_interval_max", "interval '0'", "must be more than 0 and at most 1000 years"),
        ("retry_interval_max", "interval '1001 years'", "must be more than 0 and at most 1000 years"),
    ],
)
async def test_value_that_no_delay_can_be_made_of_is_refused(
    db: Connection, column: str, value: str, reason: str
) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match=f"asyncjob.job: {column} {reason}") as refusal:
        await insert(db, "succeed", **{column: value})
    assert refusal.value.column_name == column
