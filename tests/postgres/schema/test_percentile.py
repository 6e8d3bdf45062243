"""asyncjob.percentile reads a histogram as the daemon and the commands do."""

import random

import pytest

from asyncjobd.observability.metrics.histogram import BUCKETS, Histogram
from tests.support.jobs import Connection

pytestmark = pytest.mark.anyio

PERCENTILE = "select asyncjob.percentile($1, $2)"


async def test_percentile_is_that_of_the_histogram(db: Connection) -> None:
    chance = random.Random(7)
    for _ in range(50):
        filled = chance.sample(range(BUCKETS), chance.randint(1, 6))
        histogram = Histogram([chance.randint(1, 10**9) * (number in filled) for number in range(BUCKETS)])
        for share in (0.01, 0.5, 0.99, 1.0):
            found = await db.fetchval(PERCENTILE, histogram.number, share)
            assert found == pytest.approx(histogram.percentile(share)), (histogram.buckets, share)


async def test_empty_histogram_has_no_percentile(db: Connection) -> None:
    assert await db.fetchval(PERCENTILE, 0, 0.5) is None
    assert await db.fetchval(PERCENTILE, None, 0.5) is None
