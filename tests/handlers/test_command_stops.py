"""No process of a program outlives its job."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NewDaemon
from tests.support.commands import bash, python, run
from tests.support.daemon import DEADLINE
from tests.support.jobs import Connection, insert, running, set_status, settled, unowned

pytestmark = pytest.mark.anyio

# leaves a child that ignores SIGTERM, and one in a session of its own; tells the pids of all three
FAMILY = """
import os, pathlib, signal, subprocess, sys, time
folder = pathlib.Path(os.environ["FOLDER"])
stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(1000)"
child = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE)
apart = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE, start_new_session=True)
for process in (child, apart):
    process.stdout.readline()
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
(folder / "pids.new").write_text(f"{os.getpid()} {child.pid} {apart.pid}")
(folder / "pids.new").rename(folder / "pids")
if "leaves" in sys.argv:
    sys.exit(0)
time.sleep(1000)
"""


def family(folder: Path, how: str = "", **options: Any) -> dict[str, Any]:
    return python(FAMILY, how, environment={"FOLDER": str(folder)}, **({"grace": "0.3 s"} | options))


def pids(folder: Path) -> list[int]:
    """Of a family, waited for."""
    return [int(pid) for pid in appeared(folder / "pids").read_text().split()]


def appeared(file: Path) -> Path:
    deadline = time.monotonic() + DEADLINE
    while not file.exists():
        assert time.monotonic() < deadline, f"no {file}"
        time.sleep(0.01)
    return file


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def all_gone(found: list[int]) -> None:
    deadline = time.monotonic() + DEADLINE
    while left := [pid for pid in found if is_alive(pid)]:
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.01)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where families tell their pids. Whatever the test finds, none of them outlives it."""
    yield tmp_path
    for file in tmp_path.glob("**/pids"):
        for pid in filter(is_alive, pids(file.parent)):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("stop", ["timeout", "Hold", "Failed", "deleted", "SIGTERM"])
async def test_stopped_job_leaves_no_process(
    db: Connection, start_daemon: NewDaemon, folder: Path, stop: str
) -> None:
    names = ("", "stubborn")
    for name in names:
        (folder / f"of_{name}").mkdir()
    actions = {f"family_{name}": family(folder / f"of_{name}", name) for name in names}
    daemon = start_daemon(actions=actions, shutdown_grace="0 s").ready()
    timeout = "'6 seconds'" if stop == "timeout" else "null"
    jobs = [await insert(db, f"family_{name}", timeout=timeout) for name in names]
    found = [pid for name in names for pid in pids(folder / f"of_{name}")]
    if stop == "SIGTERM":
        assert daemon.stop() == 0
    for job_id in jobs:
        match stop:
            case "timeout":
                job = await settled(db, job_id)
                assert (job["status"], job["last_execution_status"]) == ("Failed", "timeout")
            case "deleted":
                await db.execute("delete from asyncjob.job where id = $1", job_id)
                daemon.wait_for("job.lost", job_id=job_id)
            case "SIGTERM":
                await unowned(db, job_id, "In Progress")
            case status:
                await set_status(db, job_id, status)
                await unowned(db, job_id, status)
    assert not [pid for pid in found if is_alive(pid)]  # the rows have no owner, so they may run again


async def test_grace_outlasts_repeated_cancellation(
    db: Connection, start_daemon: NewDaemon, folder: Path
) -> None:
    start_daemon(actions={"family": family(folder, "stubborn", grace="2.5 s")}).ready()
    job_id = await insert(db, "family")
    found = pids(folder)
    began = time.monotonic()
    await set_status(db, job_id, "Hold")
    await unowned(db, job_id, "Hold")  # cancelled again every second meanwhile
    assert time.monotonic() - began > 2.5
    assert not [pid for pid in found if is_alive(pid)]


async def test_what_a_program_leaves_behind_ends_with_it(
    db: Connection, start_daemon: NewDaemon, folder: Path
) -> None:
    start_daemon(actions={"family": family(folder, "leaves")}).ready()
    assert (await run(db, "family"))["status"] == "Completed"
    assert not [pid for pid in pids(folder) if is_alive(pid)]


async def test_killed_daemon_leaves_no_process(db: Connection, start_daemon: NewDaemon, folder: Path) -> None:
    daemon = start_daemon(actions={"family": family(folder, "stubborn", grace="1000 s")}).ready()
    job_id = await insert(db, "family")
    found = pids(folder)
    await running(db, job_id)
    daemon.stop(signal.SIGKILL)
    all_gone(found)


async def test_killed_keeper_takes_its_program_along(
    db: Connection, start_daemon: NewDaemon, tmp_path: Path
) -> None:
    script = f"echo $PPID $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pids; exec sleep 1000"
    start_daemon(actions={"sleeps": bash(script)}).ready()
    job_id = await insert(db, "sleeps")
    keeper, program = pids(tmp_path)
    os.kill(keeper, signal.SIGKILL)
    assert (await settled(db, job_id))["message"] == "killed by SIGKILL"
    all_gone([program])


async def test_program_that_ends_when_told_has_its_grace(
    db: Connection, start_daemon: NewDaemon, tmp_path: Path
) -> None:
    file = tmp_path / "state"
    script = f'trap "sleep 0.5; echo cleaned > {file}; exit" TERM; echo begun > {file}.begun; while :; do sleep 0.05; done'
    start_daemon(actions={"tidy": bash(script, grace="10 s")}).ready()
    job_id = await insert(db, "tidy")
    appeared(Path(f"{file}.begun"))
    await set_status(db, job_id, "Hold")
    await unowned(db, job_id, "Hold")
    assert file.read_text() == "cleaned\n"
