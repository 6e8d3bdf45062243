"""Commands say which limit keeps a job from starting."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import config_of, printed, run
from tests.support.daemon import DaemonProcess
from tests.support.jobs import Connection, insert, running, settled

pytestmark = pytest.mark.anyio


@pytest.fixture
def config(dsn: str, tmp_path: Path) -> Path:
    return config_of(tmp_path, dsn)


@pytest.fixture(autouse=True)
def daemon(config: Path) -> DaemonProcess:
    return DaemonProcess(config).ready()


async def because(config: Path, job_id: int) -> str:
    return str(json.loads(printed(config, "show", str(job_id), "--json"))["why"]["sentence"])


async def findings(config: Path, about: str) -> list[dict[str, Any]]:
    return [each for each in json.loads(run(config, "doctor", "--json").stdout) if each["about"] == about]


async def insert_old(db: Connection, job_name: str, **columns: str) -> int:
    """Insert a job that has been ready for three days."""
    async with db.transaction():
        await db.execute("set local asyncjob.engine = 'on'")
        return await insert(db, job_name, due_at="now() - interval '3 days'", **columns)


async def test_max_running(config: Path, db: Connection) -> None:
    printed(config, "limit", "block", "--max-running", "1")
    first = await insert(db, "block")
    await running(db, first)
    job_id = await insert_old(db, "block")
    await settled(db, await insert(db, "succeed"))
    said = f"max_running of block (1) is reached, by job {first}; asyncjobd limit block shows and changes it"
    assert await because(config, job_id) == said
    again = run(config, "run-now", str(job_id))
    assert (again.stdout, again.stderr) == (f"{job_id} ready\n", f"Warning: job {job_id} waits: {said}\n")
    status = printed(config, "status")
    assert "└ max_running (1) is reached" in status
    assert next(line for line in status.splitlines() if line.startswith("block ")).split()[3] == "1/1"
    assert printed(config, "limit", "block") == "block: max_running 1; 1 run\n"
    (found,) = [each for each in await findings(config, "limits") if "is reached" in each["seen"]]
    assert found["level"] == "warning"
    assert found["seen"].startswith(
        "block: max_running (1) is reached; of 1 ready the oldest has waited for 3d, "
        f"and job {first} has run for the longest, for "
    )
    assert found["advice"].endswith(": asyncjobd limit block")
    (ready,) = await findings(config, "ready")
    assert (ready["level"], ready["seen"]) == ("ok", "none waits for a free slot")
    (action,) = [
        row for row in json.loads(printed(config, "status", "--json"))["actions"] if row["name"] == "block"
    ]
    assert (action["limits"], action["saturated"]) == ({"max_running": 1}, True)


async def test_jobs_that_have_taken_the_places_are_named(config: Path, db: Connection) -> None:
    printed(config, "limit", "block", "--max-running", "4", "--max-running-per-key", "2")
    for key in ("a", "a", "b", "b"):
        await running(db, await insert(db, "block", limit_key=f"'{key}'"))
    job_id = await insert(db, "block", limit_key="'b'")
    assert (await because(config, job_id)).startswith(
        "max_running of block (4) is reached, by jobs 1, 2 and 2 more; "
    )
    printed(config, "limit", "block", "--max-running", "5")
    said = "max_running_per_key of block (2) is reached by the limit_key 'b', by jobs 3 and 4; "
    assert (await because(config, job_id)).startswith(said)
    printed(config, "limit", "block", "--max-running", "0")
    assert (await because(config, job_id)).startswith(
        "max_running of block (0) is reached, by jobs 1, 2 and 2"
    )


async def test_limit_that_nothing_has_taken(config: Path, db: Connection) -> None:
    printed(config, "limit", "block", "--max-running", "0")
    job_id = await insert(db, "block")
    assert (await because(config, job_id)).startswith("max_running of block (0) is reached; asyncjobd limit")


async def test_keys_that_have_waited_for_the_longest(config: Path, db: Connection) -> None:
    printed(config, "limit", "block", "--max-running-per-key", "1")
    await running(db, await insert(db, "block", limit_key="'a'"))
    first = await insert_old(db, "block", limit_key="'a'")
    await insert(db, "block", limit_key="'a'")
    await running(db, await insert(db, "block", limit_key="'b'"))
    await insert(db, "block", limit_key="'b'")
    said = f"max_running_per_key of block (1) is reached by the limit_key 'a', by job {first - 1}; asyncjobd limit block"
    assert (await because(config, first)).startswith(said)
    warning = next(each for each in await findings(config, "limits") if "'a'" in each["seen"])
    assert warning["level"] == "warning"
    assert warning["seen"].startswith(
        "block: the keys that have waited for the longest are 'a' for 3d (2 ready jobs), 'b' for "
    )
    (ready,) = await findings(config, "ready")
    assert "raise concurrency or max_running_per_key," in ready["advice"]


async def test_rates(config: Path, db: Connection) -> None:
    printed(config, "limit", "succeed", "--rate", "1 per hour")
    await settled(db, await insert(db, "succeed"))
    job_id = await insert(db, "succeed")
    said = "the rate of succeed (1 per hour) is used up: the next start is due in "
    assert (await because(config, job_id)).startswith(said)
    assert "└ the rate (1 per hour) is used up: the next start is due in " in printed(config, "status")
    printed(config, "limit", "succeed", "--rate", "none", "--rate-per-key", "1 per day")
    await settled(db, job_id)
    await settled(db, await insert(db, "succeed", limit_key="'a'"))
    job_id = await insert(db, "succeed", limit_key="'a'")
    said = (
        "the rate_per_key of succeed (1 per day) is used up by the limit_key 'a': the next start is due in "
    )
    assert (await because(config, job_id)).startswith(said)


async def test_jobs_without_a_key(config: Path, db: Connection) -> None:
    await db.execute(
        "update asyncjob.action set max_running = 0, max_running_per_key = 1 where name = 'succeed'"
    )
    await insert(db, "succeed")
    await insert(db, "succeed", limit_key="'a'")
    (found,) = [each for each in await findings(config, "limits") if "without a limit_key" in each["seen"]]
    assert found["seen"] == "succeed has limits per key, and 1 ready job without a limit_key"
    assert "limit_key_from_params" in printed(config, "help", "limit_actions")


async def test_limit_key_is_written_and_shown(config: Path, db: Connection) -> None:
    job_id = printed(config, "enqueue", "succeed", "--limit-key", "tenant-7").split()[0]
    assert "tenant-7" in printed(config, "show", job_id)
    refused = run(config, "enqueue", "succeed", "--limit-key", "x" * 501)
    assert refused.returncode == 2
    assert "limit_key has 501 bytes, at most 500" in " ".join(refused.stderr.split())
    assert "limit_key is empty: leave it out" in run(config, "enqueue", "succeed", "--limit-key", "").stderr
