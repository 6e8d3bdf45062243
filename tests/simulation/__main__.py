"""Run worlds by their seeds, or search for one that goes wrong: `python -m tests.simulation --seed 7 --worlds 20`."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator
from itertools import count, takewhile
from pathlib import Path
from time import monotonic

import msgspec

from tests.simulation.lane import Lane, run
from tests.simulation.plan import Plan
from tests.simulation.shrink import shrink
from tests.simulation.story import told_of
from tests.simulation.world import Outcome, plan_of

MOST_SHOWN = 20  # violations of a world
MOST_TRIALS = 100  # worlds, to cut down one that went wrong
HOUR = 3600.0  # seconds


def show(outcome: Outcome, seconds: float) -> None:
    print(
        f"{seconds:7.1f} s  seed {outcome.plan.seed}: {outcome.seconds:.0f} s, {outcome.jobs} jobs,"
        f" {outcome.executions} executions, {len(outcome.plan.strikes)} faults, {outcome.statements} statements,"
        f" {outcome.digest}"
    )
    for violation in outcome.violations[:MOST_SHOWN]:
        print("  -", violation)
    sys.stdout.flush()


async def explain(plan: Plan, postgres: str) -> None:
    """Cut down a plan that goes wrong, and show it and what happens in it."""
    with tempfile.TemporaryDirectory() as folder:
        story = Path(folder) / "story"
        async with Lane.open(postgres, story) as lane:

            async def goes_wrong(smaller: Plan) -> bool:
                return bool((await lane.run(smaller)).violations)

            least = await shrink(plan, goes_wrong, MOST_TRIALS)
            outcome = await lane.run(least)
        print(
            "\nthe least that goes wrong so:",
            msgspec.json.encode(least).decode(),
            sep="\n",
        )
        print("\nwhat happens in it:", *told_of(story.read_text().splitlines(), outcome.violations), sep="\n")
        show(outcome, 0)


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first one")
    parser.add_argument("--worlds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30, help="of load and faults in each world")
    parser.add_argument("--hours", type=float, help="of load and faults in each world, in place of --seconds")
    parser.add_argument(
        "--search",
        type=float,
        metavar="MINUTES",
        help="run worlds for so long, and explain the first bad one",
    )
    parser.add_argument("--lanes", type=int, default=1, help="worlds at a time")
    parser.add_argument("--first", action="store_true", help="end with the first violation")
    parser.add_argument(
        "--postgres", default="wheel", help="wheel, system, or a folder with initdb and postgres"
    )
    arguments = parser.parse_args()
    seconds = arguments.seconds if arguments.hours is None else arguments.hours * HOUR
    began = monotonic()
    seeds: Iterator[int] = iter(range(arguments.seed, arguments.seed + arguments.worlds))
    if arguments.search is not None:
        seeds = takewhile(lambda _: monotonic() < began + 60 * arguments.search, count(arguments.seed))
    bad: list[Outcome] = []
    ends_early = arguments.first or arguments.search is not None
    plans = (plan_of(seed, seconds) for seed in takewhile(lambda _: not (bad and ends_early), seeds))
    async for outcome in run(plans, arguments.lanes, arguments.postgres):
        show(outcome, monotonic() - began)
        if outcome.violations:
            bad.append(outcome)
    if bad and arguments.search is not None:
        await explain(bad[0].plan, arguments.postgres)
    return len(bad)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()) > 0)
