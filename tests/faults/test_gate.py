"""No wake-up is lost between a daemon that falls asleep and a client that commits."""

from pathlib import Path

import pytest

from tests.conftest import NewDatabase
from tests.faults import sleeps
from tests.support.daemon import DaemonProcess

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("daemons", [1, 3])
async def test_no_wake_up_is_lost(new_database: NewDatabase, tmp_path: Path, daemons: int) -> None:
    dsn = new_database()
    try:
        sleeps.start(tmp_path, dsn, daemons)
        seen = await sleeps.stress(dsn, knocks=500, seed=daemons)
    finally:
        DaemonProcess.kill_all()
    assert max(seen.delays) < sleeps.MOST_LATE, str(seen)
