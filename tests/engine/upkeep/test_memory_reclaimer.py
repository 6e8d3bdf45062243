"""Jobs leave nothing in memory, however they end."""

import asyncio
import json
import resource
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NewDaemon
from tests.engine.upkeep.memory_handlers import around, ends, in_thread, leaves_a_cycle, leaves_a_hole
from tests.support.actions import action, isolated, path_of
from tests.support.daemon import DEADLINE, DaemonProcess
from tests.support.jobs import Connection, insert, set_status, settled, unowned
from tests.support.workers import until_true

pytestmark = pytest.mark.anyio

IN_THREAD = ("raises", "exits", "stops_iteration")
FAILURES = (
    "misfits",
    "raises",
    "exits",
    "cancels_itself",
    "cannot_be_shown",
    "is_of_no_type",
    "has_no_database",
)
TRANSACTIONS = (
    "raises_in_its_transaction",
    "raises_after_its_transaction",
    "writes_what_is_refused",
    "writes_and_is_not_done",
    "holds_itself",
)
CANCELLED = ("blocks", "raises_when_cancelled")
HOOKS = ("does_nothing", "fails_before", "fails_after", "limits", "swallows")
LOOKS = 3  # a slow machine may not have left the frame when its outcome is in the row
MB = 1024**2


@pytest.fixture
def daemon(start_daemon: NewDaemon) -> DaemonProcess:
    """A daemon with one thread, and one process for each isolated action: a job finds what the last one left."""
    actions = {handler.__name__: action(handler, max_execution_count=1) for handler in (in_thread, ends)}
    actions |= {f"isolated_{handler.__name__}": isolated(handler) for handler in (in_thread, ends)}
    return start_daemon(actions=actions, threads=1, hooks=[path_of(around)]).ready()


async def is_left(db: Connection, name: str, end: str, hook: str | None = None, **columns: str) -> bool:
    """Return whether anything of its frames is left when a job has ended so."""
    await settled(db, await insert(db, name, '{"end": "left"}'))
    params = {"end": end} if hook is None else {"end": end, "hook": hook}
    await settled(db, await insert(db, name, json.dumps(params), **columns))
    for _ in range(LOOKS):
        left = await settled(db, await insert(db, name, '{"end": "left"}'))
        if left["result"] == "0":
            return False
    return True


async def test_frame_of_a_handler_that_fails_does_not_outlive_its_job(
    db: Connection, daemon: DaemonProcess
) -> None:
    for name, ends_of_it in {
        "in_thread": IN_THREAD,
        "isolated_in_thread": IN_THREAD,
        "ends": (*FAILURES, *TRANSACTIONS),
        "isolated_ends": FAILURES,
    }.items():
        assert [end for end in ends_of_it if await is_left(db, name, end)] == [], name


async def test_frame_of_a_handler_that_times_out_does_not_outlive_its_job(
    db: Connection, daemon: DaemonProcess
) -> None:
    for name in ("ends", "isolated_ends"):
        assert [end for end in CANCELLED if await is_left(db, name, end, timeout="'100 ms'")] == [], name


async def test_frame_of_a_handler_that_is_held_does_not_outlive_its_job(
    db: Connection, daemon: DaemonProcess
) -> None:
    for name, end in product(("ends", "isolated_ends"), CANCELLED):
        await settled(db, await insert(db, name, '{"end": "left"}'))
        job_id = await insert(db, name, f'{{"end": "{end}"}}')
        daemon.wait_for("begun", job_id=job_id)
        await set_status(db, job_id, "Hold")
        await unowned(db, job_id, "Hold")
        left = await settled(db, await insert(db, name, '{"end": "left"}'))
        assert left["result"] == "0", (name, end)


async def test_frame_of_a_hook_does_not_outlive_its_job(db: Connection, daemon: DaemonProcess) -> None:
    for end in ("raises", "misfits", "blocks", "raises_after_its_transaction"):
        assert [hook for hook in HOOKS if await is_left(db, "ends", end, hook, timeout="'300 ms'")] == [], end


@pytest.mark.parametrize(
    ("handler", "jobs", "size"), [(leaves_a_cycle, 100, 20_000_000), (leaves_a_hole, 1, 400_000_000)]
)
async def test_memory_that_no_job_needs_any_more_is_given_back(
    db: Connection, start_daemon: NewDaemon, handler: Callable[..., Any], jobs: int, size: int
) -> None:
    daemon = start_daemon(actions={"leaves": action(handler)}).ready()
    before = resident(daemon)
    for _ in range(jobs):
        await settled(db, await insert(db, "leaves", f'{{"size": {size}}}'))
    await until_true(lambda: resident(daemon) < before + 60 * MB)


async def test_failures_need_no_more_memory_than_successes(db: Connection, start_daemon: NewDaemon) -> None:
    actions = {"in_thread": action(in_thread, max_execution_count=1)}
    daemon = start_daemon(actions=actions, concurrency=4, threads=4).ready()
    needed = {}
    for end in ("succeeds", "raises"):
        await db.execute(
            "insert into asyncjob.job (job_name, params)"
            " select 'in_thread', jsonb_build_object('end', $1::text, 'size', 20000000) from generate_series(1, 100)",
            end,
        )
        async with asyncio.timeout(3 * DEADLINE):
            while await db.fetchval("select count(*) from asyncjob.job where finished_at is null"):
                await asyncio.sleep(0.05)
        needed[end] = resident(daemon)
    assert needed["raises"] < needed["succeeds"] + 60 * MB


def resident(daemon: DaemonProcess) -> int:
    return int(Path(f"/proc/{daemon.pid}/statm").read_text().split()[1]) * resource.getpagesize()
