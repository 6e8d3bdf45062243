"""Rates as people write them."""

import asyncpg
import pytest

from asyncjobd.config.rates import RateError, check_rate
from tests.support.jobs import Connection

SECONDS_PER_START = {
    "1 per second": 1.0,
    "100 per minute": 0.6,
    "7 per hour": 514.285715,  # rounded up to a microsecond, so that there are never more starts
    "2 per day": 43200.0,
    "999999999 per second": 0.000001,
    "010 per second": 0.1,
}
NO_RATES = [
    "", "fast", "100", "0 per second", "000 per day", "-1 per second", "1.5 per second", "100 per minutes",
    "100 per  minute", "100/min", "1000000000 per second", "100 per minute ", "1 per year", "1 per second\n",
    "0123456789 per second", "1\u0663 per second",
]  # fmt: skip


@pytest.mark.anyio
async def test_file_and_table_take_the_same_rates(db: Connection) -> None:
    for rate, seconds in SECONDS_PER_START.items():
        assert check_rate(rate) == rate
        assert await db.fetchval("select asyncjob.seconds_per_start($1)", rate) == seconds


@pytest.mark.anyio
@pytest.mark.parametrize("text", NO_RATES)
async def test_all_else_is_refused_with_advice(db: Connection, text: str) -> None:
    with pytest.raises(RateError, match='write one such as "100 per minute"'):
        check_rate(text)
    with pytest.raises(asyncpg.CheckViolationError, match="a rate must be such as '100 per minute'"):
        await db.execute(
            "insert into asyncjob.action (name, handler, is_active, rate) values ('a', '', true, $1)", text
        )


@pytest.mark.parametrize("value", [100, None, 1.5, ["1 per second"]])
def test_value_that_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(RateError, match="is not a rate"):
        check_rate(value)
