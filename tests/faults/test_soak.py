"""The short form of `python -m tests.faults.soak`: each fault once, in quick succession."""

from pathlib import Path

import pytest

from tests.faults.campaign import Campaign
from tests.faults.strikes import STRIKES

pytestmark = pytest.mark.anyio

PAUSE = 1.2  # seconds between two faults


async def test_invariants_hold_under_every_fault(postgres_bin: Path, tmp_path: Path) -> None:
    async with Campaign.prepared(tmp_path, postgres_bin, seed=1, rate=100) as campaign:
        ledger = await campaign.run(PAUSE * (len(STRIKES) + 1), pause=(PAUSE, PAUSE))
    assert sum(campaign.faults.values()) >= 0.8 * len(STRIKES)  # some found nothing to strike just then
    assert len(ledger.kinds) > 1000
    assert ledger.violations() == []
