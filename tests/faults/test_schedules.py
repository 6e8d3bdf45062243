"""Fast schedules, while daemons are killed, frozen and cut off."""

from pathlib import Path

import pytest

from tests.faults.schedules import start, stress

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

FIRINGS = 1500


async def test_each_time_of_a_schedule_makes_one_job_whatever_happens(dsn: str, tmp_path: Path) -> None:
    firings = await stress(dsn, start(tmp_path, dsn, 3), FIRINGS, seed=1)
    assert firings.violations == []
    assert firings.kills + firings.freezes > 0
