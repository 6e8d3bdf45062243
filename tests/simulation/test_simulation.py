"""Worlds that run in CI, and what keeps the simulation right."""

import asyncio
from pathlib import Path

import pytest

from asyncjobd.postgres import queries
from tests.simulation.bug import Bug
from tests.simulation.bugs import BUGS
from tests.simulation.exchange import LOCK_TIMEOUTS
from tests.simulation.lane import run
from tests.simulation.plan import Plan
from tests.simulation.planted import find, plant
from tests.simulation.world import Outcome, plan_of
from tests.support.jobs import Connection

pytestmark = pytest.mark.timeout(600)  # for the first test, which runs the worlds

WORLDS = 20
SECONDS = 30.0  # of load and faults
LANES = 2
FOUND = 4  # planted bugs that are looked for
# What statements call that run these functions.
CALLS = {"move_schedule": "asyncjob.move_schedule(", "limited_room": "asyncjob.pick_limited("}
FUNCTIONS_WITH_LOCK_TIMEOUT = """
    select proname as name, extract(epoch from split_part(setting, '=', 2)::interval)::float8 as seconds
      from pg_proc cross join unnest(proconfig) as setting
     where pronamespace = 'asyncjob'::regnamespace and setting like 'lock_timeout=%'
"""

# Statements that no world runs, and what does run them.
LEFT_OUT = {
    "fleet/set_served_actions": "tests/engine/upkeep/test_reloader.py",
    "upkeep/release_known_jobs": "tests/engine/upkeep",
    "wakeup/send_notification": "tests/faults/test_pooler.py",
}


async def outcomes_of(plans: list[Plan], lanes: int, postgres: str) -> list[Outcome]:
    return [outcome async for outcome in run(iter(plans), lanes, postgres)]


@pytest.fixture(scope="module")
def postgres(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--postgres"))


@pytest.fixture(scope="module")
def outcomes(postgres: str) -> list[Outcome]:
    """Return the outcomes of the first seeds, and of those that find planted bugs."""
    seeds = sorted({*range(1, WORLDS + 1), *(bug.seed for bug in BUGS if bug.seed is not None)})
    return asyncio.run(outcomes_of([plan_of(seed, SECONDS) for seed in seeds], LANES, postgres))


def test_no_world_violates_an_invariant(outcomes: list[Outcome]) -> None:
    assert len(outcomes) >= WORLDS
    assert {outcome.plan.seed: outcome.violations for outcome in outcomes if outcome.violations} == {}


def test_seed_brings_the_same_in_each_run(outcomes: list[Outcome], postgres: str) -> None:
    busiest = max(outcomes, key=lambda outcome: len(outcome.plan.strikes))
    (again,) = asyncio.run(outcomes_of([busiest.plan], 1, postgres))
    assert again == busiest


def test_worlds_run_each_statement_of_the_engine(outcomes: list[Outcome]) -> None:
    folder = Path(queries.__path__[0])
    statements = {
        f"{part}/{file.stem}"
        for part in ("jobs", "wakeup", "fleet", "upkeep")
        for file in (folder / part).glob("*.sql")
    }
    ran = {name for outcome in outcomes for name in outcome.queries}
    assert statements - ran == LEFT_OUT.keys()


@pytest.mark.anyio
async def test_lock_timeout_of_each_function_passes_in_virtual_time(db: Connection) -> None:
    functions = await db.fetch(FUNCTIONS_WITH_LOCK_TIMEOUT)
    assert {CALLS[row["name"]]: row["seconds"] for row in functions} == LOCK_TIMEOUTS


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_planted_bug_has_its_place(bug: Bug, tmp_path: Path) -> None:
    plant(bug, tmp_path)


@pytest.mark.parametrize(
    "bug", [bug for bug in BUGS if bug.seed is not None][:FOUND], ids=lambda bug: bug.name
)
def test_planted_bug_is_found(bug: Bug) -> None:
    assert bug.seed is not None
    said, _ = find(bug, worlds=1, seed=bug.seed, lanes=1)
    assert said
