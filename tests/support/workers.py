"""The worker processes of a daemon, and the jobs that run beside them."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.daemon import DEADLINE, DaemonProcess
from tests.support.jobs import Connection, insert, settled, until


def workers(daemon: DaemonProcess) -> list[int]:
    """Return the pids of the processes that the daemon has started and that are alive."""
    children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text()
    return [int(pid) for pid in children.split() if is_alive(int(pid))]


def is_alive(pid: int) -> bool:
    """Return whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


async def until_true(condition: Callable[[], Any]) -> None:
    """Wait until the condition holds, for at most DEADLINE."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def others_complete(db: Connection, daemon: DaemonProcess, count: int = 50) -> None:
    """Check that jobs named "succeed" complete and that the daemon has lost and rescued none."""
    for job_id in [await insert(db, "succeed") for _ in range(count)]:
        assert (await settled(db, job_id))["status"] == "Completed"
    assert not daemon.events("job.rescued")
    assert not daemon.events("job.lost")
    assert daemon.process.poll() is None


async def reported(db: Connection, job_id: int) -> str:
    """Wait for the job's first progress message and return it."""
    return str((await until(db, job_id, lambda row: row["progress_message"]))["progress_message"])
