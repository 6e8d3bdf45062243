"""The commands say which jobs wait for other jobs, and why."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.monitoring.doctor import dependencies
from asyncjobd.monitoring.doctor.examination import examine
from asyncjobd.monitoring.doctor.finding import Finding, Level
from asyncjobd.postgres.database import Database
from tests.cli.commands import answered, assert_fits, on_terminal, printed, refused
from tests.support.daemon import DaemonProcess
from tests.support.jobs import Connection, as_engine, insert, row, running, set_status, settled, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def daemon(config: Path) -> DaemonProcess:
    return DaemonProcess(config).ready()


async def waits(db: Connection, *needed: int, **columns: str) -> int:
    return await insert(db, "succeed", waits_for=f"array{list(needed)}::bigint[]", **columns)


async def watching(db: Connection, job_id: int, watch: int) -> None:
    await until(db, job_id, lambda r: r["waits_on"] == watch)


async def reason(config: Path, job_id: int) -> str:
    shown = await asyncio.to_thread(answered, config, "show", str(job_id))
    return str(shown["why"]["sentence"])


async def test_show_names_the_job_that_is_waited_for(
    config: Path, db: Connection, daemon: DaemonProcess
) -> None:
    held = await insert(db, "greet", status="'Hold'")
    runs = await insert(db, "block")
    await running(db, runs)
    due = await insert(db, "greet", schedule_time="'2040-01-01'")
    first, second, third = (
        await waits(db, held),
        await waits(db, held, runs),
        await waits(db, held, runs, due),
    )
    fourth = await waits(db, third)
    for job_id, watch in ((first, held), (second, runs), (third, due), (fourth, third)):
        await watching(db, job_id, watch)
    assert await reason(config, first) == f"waits for job {held} (greet, Hold)"
    said = await reason(config, second)
    assert said.startswith(f"waits for job {runs} (block, running, since ")
    assert said.endswith(" and for 1 more that it needs")
    said = await reason(config, third)
    assert said.startswith(f"waits for job {due} (greet, Queued, due ")
    assert said.endswith(" and for 2 more that it needs")
    assert await reason(config, fourth) == f"waits for job {third} (succeed, which waits for other jobs)"
    lines = (await asyncio.to_thread(printed, config, "show", str(third))).splitlines()
    assert f"waits_for             {held}, {runs}, {due}" in lines
    listed = (await asyncio.to_thread(printed, config, "list", "--name", "succeed")).splitlines()
    assert [
        f"after job {watch}" in line for watch, line in zip((third, due, runs, held), listed[1:], strict=True)
    ]


async def test_show_counts_the_children_that_are_left(
    config: Path, db: Connection, daemon: DaemonProcess
) -> None:
    needed = await insert(db, "greet", status="'Hold'")
    parent = await waits(db, needed, status="'Hold'", waits_for_children="true")
    await db.execute(
        "insert into asyncjob.job (job_name, parent_id, status)"
        " select 'greet', $1, 'Completed' from generate_series(1, 1200)", parent,
    )  # fmt: skip
    children = [await insert(db, "greet", parent_id=str(parent), status="'Hold'") for _ in range(2)]
    await set_status(db, parent, "Queued")
    await watching(db, parent, children[-1])
    assert await reason(config, parent) == (
        f"waits for job {children[-1]} (greet, Hold) and for 1 more that it needs; its children: 2 of 1,202 left"
    )


async def test_job_that_nobody_looks_at_is_told(config: Path, db: Connection) -> None:
    job_id = await waits(db, await insert(db, "succeed", status="'Hold'"))
    said = await reason(config, job_id)
    assert said.startswith(
        "waits for other jobs: a daemon is about to look at them; then it would wait on: no daemon"
    )
    assert "after other jobs" in printed(config, "list")


async def test_enqueue_takes_what_it_waits_for(config: Path, db: Connection, daemon: DaemonProcess) -> None:
    needed = [str(await insert(db, "greet", status="'Hold'")) for _ in range(2)]
    line = await asyncio.to_thread(
        printed, config, "enqueue", "succeed", "--waits-for", ",".join(needed), "--when-failed", "queued"
    )
    assert line.startswith("3 Queued, after ")
    job = await row(db, 3)
    assert (job["waits_for"], job["waits_for_children"], job["when_failed"]) == ([1, 2], None, "Queued")
    parent = await asyncio.to_thread(printed, config, "enqueue", "succeed", "--waits-for-children")
    assert (await settled(db, int(parent.split()[0])))["waits_for_children"]
    for arguments, code, error in (
        (("--waits-for", "1,x"), 2, "'1,x' is no list of ids: write 41,42"),
        (("--waits-for", "999"), 1, "waits_for names jobs that do not exist: 999"),
        (("--when-failed", "gone"), 2, "'gone' is not one of 'queued', 'in progress'"),
    ):
        assert error in await asyncio.to_thread(refused, config, "enqueue", "succeed", *arguments, code=code)


async def test_tree_is_cancelled(config: Path, db: Connection) -> None:
    root = await insert(db, "succeed", status="'Hold'")
    child = await insert(db, "succeed", status="'Hold'", parent_id=str(root))
    await insert(db, "succeed", status="'Hold'", parent_id=str(child))
    assert printed(config, "cancel", "--tree", str(root)) == f"{root} and beneath it: 3 jobs cancelled\n"
    assert f"job {root} has ended, and so has all beneath it" in refused(
        config, "cancel", "--tree", str(root)
    )
    assert "there is no job 999" in refused(config, "cancel", "--tree", "999")


@pytest.mark.parametrize("columns", [80, 120])
async def test_status_counts_the_jobs_that_wait_for_others(
    config: Path, db: Connection, daemon: DaemonProcess, columns: int
) -> None:
    held = await insert(db, "greet", status="'Hold'")
    for _ in range(3):
        await waits(db, held)
    await insert(db, "succeed", schedule_time="'2040-01-01'")
    status = await asyncio.to_thread(answered, config, "status")
    counts = {action["name"]: (action["queued"], action["waiting"]) for action in status["actions"]}
    assert (counts["succeed"], counts["greet"]) == ((4, 3), (0, 0))
    shown = await asyncio.to_thread(on_terminal, config, "status", columns=columns)
    assert "  └ 3 queued for other jobs to end" in shown
    assert_fits(shown, columns)


async def findings(dsn: str) -> list[Finding]:
    """Return what the doctor says of jobs that wait for other jobs."""
    found = await examine(Database(DatabaseConfig(dsn=dsn)))
    return [each for each in found if each.about == "waiting"]


async def test_doctor_finds_circles(dsn: str, db: Connection, daemon: DaemonProcess) -> None:
    """The table refuses one that it sees, but not that of two transactions which do not see each other."""
    first = await insert(db, "succeed", schedule_time="'2040-01-01'")
    second = await insert(db, "succeed", schedule_time="'2040-01-01'")
    above = await waits(db, first)
    rewire = "update asyncjob.job set waits_for = array[$2]::bigint[] where id = $1"
    other = await asyncpg.connect(dsn)
    async with db.transaction(), other.transaction():
        await db.execute(rewire, first, second)
        await other.execute(rewire, second, first)
    await other.close()
    for job_id, watch in ((first, second), (second, first), (above, first)):
        await watching(db, job_id, watch)
    circle, blocked = await findings(dsn)
    assert circle.level is Level.PROBLEM
    named = {int(number) for number in circle.seen.removeprefix("jobs ").split(" wait")[0].split(", ")}
    assert named == {first, second}
    assert blocked.level is Level.OK
    await set_status(db, second, "Failed")
    await settled(db, above)
    assert [each.level for each in await findings(dsn)] == [Level.OK, Level.OK]


async def test_doctor_finds_what_is_waited_for_in_vain(
    dsn: str, db: Connection, daemon: DaemonProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, unheard = await insert(db, "greet", status="'Hold'"), await insert(db, "unheard_of")
    due = await insert(db, "greet", schedule_time="'2040-01-01'")
    ids = [await waits(db, needed) for needed in (held, held, unheard, due)]
    for job_id, watch in zip(ids, (held, held, unheard, due), strict=True):
        await watching(db, job_id, watch)
    assert [each.level for each in await findings(dsn)] == [Level.OK, Level.OK]
    await as_engine(db, "update asyncjob.job set created_at = now() - interval '2 h' where id = $1", ids[1])
    await as_engine(db, "update asyncjob.job set created_at = now() - interval '3 h' where id = $1", ids[2])
    circles, first, second = await findings(dsn)
    assert circles.seen == "4 jobs wait for other jobs, none in a circle"
    assert first.seen == (
        f"job {unheard} of unheard_of, which no daemon that is alive serves, is waited for by 1, the longest for 3h"
    )
    assert second.seen == f"job {held} of greet, which is on Hold, is waited for by 2, the longest for 2h"
    monkeypatch.setattr(dependencies, "MOST_TOLD", 1)
    *_, last = await findings(dsn)
    assert last.seen == "1 more jobs that do not go on are waited for"


def test_each_circle_is_found_once() -> None:
    watches: dict[int, int] = {n: n + 1 for n in range(2000)} | {2000: 1990, 3000: 3001, 3001: 3000, 5: 9999}
    rows: list[dict[str, Any]] = [{"id": job_id, "waits_on": watch} for job_id, watch in watches.items()]
    long, short = (each.seen for each in dependencies.circles(rows))
    assert long.startswith("jobs 1990, 1991, ")
    assert long.endswith(", 1999 and 1 more wait for each other in a circle")
    assert short == "jobs 3000, 3001 wait for each other in a circle"
