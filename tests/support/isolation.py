"""Actions whose handlers have processes of their own, and what can be seen of these."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.daemon import DEADLINE, DaemonProcess
from tests.support.jobs import Connection, insert, settled, until

HAZARDS = (
    "pid", "leaks", "hoards", "segfaults", "leaves", "is_killed", "ignores_all", "tidies_up", "spins", "dozes",
    "answers_much", "prints", "tells", "forks", "detaches", "raises_surrogates",
    "tells_oddly", "prints_nul_and_dies",
)  # fmt: skip


def isolated(handler: str, **keys: Any) -> dict[str, Any]:
    return {"handler": handler, "isolation": "process", "max_execution_count": 1, **keys}


def actions() -> dict[str, Any]:
    hello = {"options": {"greeting": "hello"}}
    return {
        **{name: isolated(f"hazards:{name}") for name in HAZARDS},
        **{name: isolated(f"sample:{name}") for name in ("fans_out", "reports", "writes")},
        "starves": isolated("hazards:leaks", memory_limit="128 MB"),
        "tight": isolated("sample:fans_out", memory_limit="64 MB"),
        "hoards": isolated("hazards:hoards", memory_limit="256 MB"),
        "greets": isolated("sample:Greets", **hello),
        "late": isolated("hazards:ignores_all", timeout="0.5 s"),
        "succeed": {"handler": "sample:succeed"},
    }


def workers(daemon: DaemonProcess) -> list[int]:
    """The processes that the daemon has started, and that live."""
    children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text()
    return [int(pid) for pid in children.split() if is_alive(int(pid))]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def descriptors(daemon: DaemonProcess) -> int:
    return len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))


async def until_true(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def others_complete(db: Connection, daemon: DaemonProcess, count: int = 50) -> None:
    """Jobs of the daemon itself; and nothing was rescued or lost meanwhile."""
    for job_id in [await insert(db, "succeed") for _ in range(count)]:
        assert (await settled(db, job_id))["status"] == "Completed"
    assert not daemon.events("job.rescued")
    assert not daemon.events("job.lost")
    assert daemon.process.poll() is None


async def reported(db: Connection, job_id: int) -> str:
    """The message of its progress, as soon as there is one."""
    return str((await until(db, job_id, lambda row: row["progress_message"]))["progress_message"])
