"""Run faults for as long as wanted: `python -m tests.faults.soak --minutes 15 --seed 7`."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.faults.campaign import Campaign
from tests.faults.ledger import Ledger
from tests.faults.machine import LEASE
from tests.support.postgres import binaries


async def soak(minutes: float, seed: int, rate: int, postgres: str, folder: Path) -> list[str]:
    async with Campaign.prepared(folder, binaries(postgres), seed, rate) as campaign:
        ledger = await campaign.run(minutes * 60)
    show(campaign, ledger)
    return ledger.violations()


def show(campaign: Campaign, ledger: Ledger) -> None:
    overlaps = list(ledger.overlaps())
    print(f"{len(ledger.kinds):,} jobs, {len(ledger.executions):,} executions, {sum(campaign.faults.values())} faults,"
          f" {len(ledger.lives)} starts of daemons, lease {LEASE:g} s")  # fmt: skip
    print(
        f"begun again while a frozen, cut off or stuck first was still at it, its lease lost: {len(overlaps)}"
    )
    print(f"longest from a kill to the next start of what it cut off: {ledger.longest_rescue():.2f} s")
    print("\n| fault | times | a new job ran after, median s | longest s |\n|---|---|---|---|")
    for fault, seconds in sorted(campaign.recoveries.items()):
        print(f"| {fault} | {len(seconds)} | {sorted(seconds)[len(seconds) // 2]:.2f} | {max(seconds):.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=int, default=130, help="jobs a second")
    parser.add_argument("--postgres", default="wheel")
    parser.add_argument("--keep", type=Path, help="a new folder for logs, ledger and data, kept")
    arguments = parser.parse_args()
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix="asyncjobd-soak-"))
    folder.mkdir(exist_ok=True)
    violations = asyncio.run(
        soak(arguments.minutes, arguments.seed, arguments.rate, arguments.postgres, folder)
    )
    print(f"\n{len(violations)} violations of the invariants; logs and ledger: {folder}")
    for violation in violations[:50]:
        print("-", violation)
    sys.exit(bool(violations))


if __name__ == "__main__":
    main()
