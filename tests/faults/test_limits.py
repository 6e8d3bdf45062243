"""Limits that change under load, while daemons are killed and frozen."""

from pathlib import Path

import pytest

from tests.faults.limits import start, stress

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

PHASES = 12


async def test_killed_and_frozen_daemons_exceed_no_limit_and_leave_no_job(dsn: str, tmp_path: Path) -> None:
    limits = await stress(dsn, start(tmp_path, dsn, 3), PHASES, seed=1)
    assert limits.violations == []
    assert limits.kills + limits.freezes > 0
    assert limits.reached > 0
