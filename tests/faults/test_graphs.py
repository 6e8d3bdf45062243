"""Jobs that wait for each other, while daemons are killed."""

from pathlib import Path

import pytest

from tests.faults.graphs import start, stress

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

GRAPHS = 400


async def test_killed_daemons_leave_no_job_waiting_and_start_none_early(dsn: str, tmp_path: Path) -> None:
    graphs = await stress(dsn, start(tmp_path, dsn, 2), GRAPHS, seed=1)
    assert graphs.violations == []
    assert graphs.kills > 0
