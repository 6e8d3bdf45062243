"""A handler in a worker process harms nothing but its own job."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from asyncjobd.actions.catalog import load_actions
from asyncjobd.config.load import load_config
from asyncjobd.config.model import DaemonConfig, DatabaseConfig
from asyncjobd.context import Context
from asyncjobd.job import ClaimedJob
from asyncjobd.postgres.database import Database
from asyncjobd.workers import pool as processes
from tests.conftest import NewDaemon
from tests.support.actions import isolated
from tests.support.daemon import DEADLINE, DaemonProcess, write_config
from tests.support.jobs import Connection, insert, row, set_status, settled, unowned
from tests.support.workers import (
    is_alive,
    others_complete,
    reported,
    until_true,
    workers,
)
from tests.workers.hazards_handlers import pid

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("segfaults", "{}", "the worker process was killed by SIGSEGV"),
        ("prints_nul_and_dies", "{}", "the worker process was killed by SIGSEGV"),
        ("leaves", "{}", "the worker process exited with code 3"),
        (
            "is_killed",
            "{}",
            "the worker process was killed by SIGKILL, as the kernel does when memory runs out",
        ),
        ("is_killed_without_a_name", "{}", f"the worker process was killed by signal {signal.SIGRTMIN + 6}"),
        ("starves", '{"megabytes": 2048}', "the handler needed more than its memory_limit of 128 MB"),
    ],
)
async def test_process_that_dies_fails_its_job_alone(
    db: Connection, daemon: DaemonProcess, name: str, params: str, message: str
) -> None:
    before = (await settled(db, await insert(db, "pid")))["result"]
    job_id = await insert(db, name, params)
    await others_complete(db, daemon)
    job = await settled(db, job_id)
    assert (job["status"], job["last_execution_status"], job["message"]) == ("Failed", "failed", message)
    again = await settled(db, await insert(db, name, params))
    assert (again["message"], again["execution_count"]) == (message, 1)
    assert (await settled(db, await insert(db, "pid")))["result"] == before
    await until_true(lambda: workers(daemon) == [int(before)])


async def test_last_words_of_a_process_are_the_traceback(db: Connection, daemon: DaemonProcess) -> None:
    job = await settled(db, await insert(db, "segfaults"))
    assert "about to read where nothing is" in job["traceback"]
    assert "Fatal Python error: Segmentation fault" in job["traceback"]
    assert "hazards_handlers.py" in job["traceback"]


async def test_process_works_within_its_limit_and_is_replaced_when_it_has_grown(
    db: Connection, daemon: DaemonProcess
) -> None:
    """A third job would not find the memory that the first two keep."""
    assert (await settled(db, await insert(db, "starves", '{"megabytes": 40}')))["status"] == "Completed"
    jobs = [await settled(db, await insert(db, "hoards", '{"megabytes": 90}')) for _ in range(4)]
    assert [job["message"] for job in jobs] == [None] * 4
    assert len({job["result"] for job in jobs}) == 4


@pytest.mark.parametrize("name", ["ignores_all", "dozes", "spins"])
async def test_handler_that_ignores_its_hold_is_killed_with_all_that_it_started(
    db: Connection, daemon: DaemonProcess, name: str
) -> None:
    job_id = await insert(db, name, '{"file": "/nowhere"}')
    await reported(db, job_id)
    (worker,) = workers(daemon)
    started = [int(pid) for pid in Path(f"/proc/{worker}/task/{worker}/children").read_text().split()]
    assert bool(started) == (name == "ignores_all")
    await set_status(db, job_id, "Hold")
    await others_complete(db, daemon)
    held = await unowned(db, job_id, "Hold")
    assert (held["execution_count"], held["last_execution_status"]) == (0, "stopped")
    await until_true(lambda: not any(map(is_alive, [worker, *started])))


async def test_handler_that_ignores_its_timeout_is_killed(db: Connection, daemon: DaemonProcess) -> None:
    job = await settled(db, await insert(db, "late"))
    assert (job["last_execution_status"], job["message"]) == (
        "timeout",
        "still running after its timeout of 0.5 s",
    )
    await until_true(lambda: not workers(daemon))


async def test_handler_that_is_held_may_tidy_up_and_its_process_goes_on(
    db: Connection, daemon: DaemonProcess, tmp_path: Path
) -> None:
    job_id = await insert(db, "tidies_up", f'{{"file": "{tmp_path / "tidy"}"}}')
    await until_true(lambda: workers(daemon))
    await reported(db, job_id)
    (worker,) = workers(daemon)
    await set_status(db, job_id, "Hold")
    await unowned(db, job_id, "Hold")
    assert (tmp_path / "tidy").read_text() == "tidy"
    assert workers(daemon) == [worker]


async def test_handler_that_blocks_its_loop_holds_up_no_other(
    db: Connection, daemon: DaemonProcess, tmp_path: Path
) -> None:
    job_id = await insert(db, "spins", f'{{"file": "{tmp_path / "go"}"}}')
    assert await reported(db, job_id) == "spinning"
    await others_complete(db, daemon, 200)
    assert (await row(db, job_id))["daemon_id"] is not None
    (tmp_path / "go").touch()
    assert (await settled(db, job_id))["status"] == "Completed"


async def test_process_forked_by_a_handler_does_not_hide_its_death(
    db: Connection, daemon: DaemonProcess
) -> None:
    job = await settled(db, await insert(db, "forks"))
    assert job["message"] == "the worker process exited with code 5"
    orphan = int(job["traceback"])
    await until_true(lambda: not is_alive(orphan))


async def test_process_that_a_handler_detached_does_not_hide_its_death(
    db: Connection, daemon: DaemonProcess
) -> None:
    job = await settled(db, await insert(db, "detaches"))
    os.kill(int(job["traceback"]), signal.SIGKILL)
    assert job["message"] == "the worker process exited with code 6"
    assert (await settled(db, await insert(db, "pid")))["status"] == "Completed"


def descriptors(daemon: DaemonProcess) -> int:
    return len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))


async def test_jobs_share_few_processes_and_nothing_is_left_of_them(
    db: Connection, start_daemon: NewDaemon
) -> None:
    daemon = start_daemon(processes=2).ready()
    await settled(db, await insert(db, "pid"))
    await others_complete(db, daemon)
    before = descriptors(daemon)
    await db.execute("insert into asyncjob.job (job_name) select 'pid' from generate_series(1, 300)")
    async with asyncio.timeout(DEADLINE):
        while await db.fetchval("select count(*) from asyncjob.job where status <> 'Completed'"):
            await asyncio.sleep(0.05)
    assert await db.fetchval("select count(distinct result) from asyncjob.job where job_name = 'pid'") <= 3
    for _ in range(5):
        await settled(db, await insert(db, "leaves"))
    await until_true(lambda: len(workers(daemon)) <= 2)
    assert descriptors(daemon) <= before + 2 * 3  # the pipes of one process more, and a session


async def test_process_for_another_action_takes_the_place_of_an_idle_one(
    db: Connection, start_daemon: NewDaemon
) -> None:
    daemon = start_daemon(processes=1).ready()
    first = (await settled(db, await insert(db, "pid")))["result"]
    await settled(db, await insert(db, "tells"))
    await until_true(lambda: len(workers(daemon)) == 1)
    assert (await settled(db, await insert(db, "pid")))["result"] != first


async def test_job_that_waits_for_a_process_can_be_held(db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon(processes=1).ready()
    busy = await insert(db, "dozes")
    await reported(db, busy)
    waiting = await insert(db, "pid")
    daemon.wait_for("job.started", job_id=waiting)
    await set_status(db, waiting, "Hold")
    await unowned(db, waiting, "Hold")
    await others_complete(db, daemon)
    await set_status(db, busy, "Hold")
    await unowned(db, busy, "Hold")
    await set_status(db, waiting, "Queued")
    assert (await settled(db, waiting))["status"] == "Completed"


async def test_stop_hands_back_what_runs_and_leaves_no_process(
    db: Connection, start_daemon: NewDaemon
) -> None:
    daemon = start_daemon(shutdown_grace="0 s").ready()
    ids = [await insert(db, name, '{"file": "/nowhere"}') for name in ("ignores_all", "spins", "dozes")]
    for job_id in ids:
        await reported(db, job_id)
    await settled(db, await insert(db, "pid"))
    found = workers(daemon)
    assert len(found) == 4
    assert daemon.stop() == 0
    assert not any(map(is_alive, found))
    for job_id in ids:
        assert (await unowned(db, job_id, "In Progress"))["execution_count"] == 0
    assert daemon.errors.read_text() == ""


async def test_daemon_that_is_killed_leaves_no_process(db: Connection, daemon: DaemonProcess) -> None:
    ids = [await insert(db, name, '{"file": "/nowhere"}') for name in ("spins", "dozes")]
    for job_id in ids:
        await reported(db, job_id)
    await settled(db, await insert(db, "pid"))
    found = workers(daemon)
    assert len(found) == 3
    daemon.stop(signal.SIGKILL)
    await until_true(lambda: not any(map(is_alive, found)))


async def test_process_that_nobody_needs_ends(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "MAX_IDLE_SECONDS", 0.1)
    monkeypatch.setattr(processes, "IDLE_CHECK_SECONDS", 0.01)
    pool = processes.WorkerPool(DaemonConfig(), Database(DatabaseConfig(dsn=dsn)))
    config = write_config(tmp_path, dsn, actions={"pid": isolated(pid)})
    run = pool.isolate(load_actions(load_config(config)))["pid"].handler.run
    job = ClaimedJob(1, "pid", "{}", 1, 1, 1, False, 0, None, None, None, None, "", 0, None, 0.0, None, 0.0)
    context: Any = Context(job, 1, lambda *_: None, None, None)  # type: ignore[arg-type]
    answer: Any = await run(context)
    sweeping = asyncio.create_task(pool.run())
    await until_true(lambda: not is_alive(int(bytes(answer.result))))
    sweeping.cancel()
    await pool.close()
