"""max_running_per_daemon is never exceeded, and a freed place is taken at once."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.conftest import NewDaemon
from tests.support.actions import action
from tests.support.daemon import DEADLINE
from tests.support.handlers import block, block_in_thread, sleeps, succeed
from tests.support.jobs import Connection, insert, row, running, set_status, settled

pytestmark = pytest.mark.anyio

LONG_LEASE = "3600 s"
OWNED = """
    select daemon_id, count(*) as jobs from asyncjob.job
     where job_name = 'sleeps' and daemon_id is not null group by daemon_id
"""


def actions(**keys: Any) -> dict[str, Any]:
    return {
        "sleeps": action(sleeps, **keys), "succeed": action(succeed), "block": action(block, **keys),
        "block_in_thread": action(block_in_thread, **keys),
    }  # fmt: skip


async def limit(db: Connection, value: str, name: str = "sleeps") -> None:
    await db.execute(f"update asyncjob.action set max_running_per_daemon = {value} where name = $1", name)


async def most_owned(db: Connection, while_ready: int) -> int:
    """Return the most jobs that one daemon had until fewer than `while_ready` were left."""
    most = 0
    async with asyncio.timeout(3 * DEADLINE):
        while (
            await db.fetchval(
                "select count(*) from asyncjob.job where job_name = 'sleeps' and status = 'In Progress'"
            )
            > while_ready
        ):
            most = max(most, *(found["jobs"] for found in await db.fetch(OWNED)), 0)
    return most


async def insert_many(db: Connection, jobs: int, params: str = '{"seconds": 0.01}') -> None:
    await db.execute(
        "insert into asyncjob.job (job_name, params) select 'sleeps', $2 from generate_series(1, $1::integer)",
        jobs, params,
    )  # fmt: skip


async def test_limit_of_the_file_holds_in_each_daemon_and_others_do_not_suffer(
    db: Connection, start_daemon: NewDaemon
) -> None:
    for name in ("one", "two"):
        start_daemon(lease=LONG_LEASE, name=name, actions=actions(max_running_per_daemon=3)).ready()
    await insert_many(db, 400)
    await db.execute("insert into asyncjob.job (job_name) select 'succeed' from generate_series(1, 100)")
    others = asyncio.timeout(DEADLINE)
    async with others:
        while await db.fetchval(
            "select exists (select from asyncjob.job where job_name = 'succeed' and status <> 'Completed')"
        ):
            await asyncio.sleep(0.01)
    assert 0 < await most_owned(db, 0) <= 3


async def test_limit_that_is_changed_under_load_counts_from_the_next_claim_on(
    db: Connection, start_daemon: NewDaemon, dsn: str
) -> None:
    start_daemon(lease=LONG_LEASE, actions=actions()).ready()
    await insert_many(db, 5000, '{"seconds": 0.02}')
    await running(db, await db.fetchval("select min(id) from asyncjob.job"))
    for value in (4, 1, 7, 2):
        await limit(db, str(value))
        async with asyncio.timeout(DEADLINE):  # what was claimed before ends
            while sum(found["jobs"] for found in await db.fetch(OWNED)) > value:
                pass
        for _ in range(100):
            owned = await db.fetch(OWNED)
            assert sum(found["jobs"] for found in owned) <= value
    await limit(db, "null")
    async with asyncio.timeout(DEADLINE):
        while sum(found["jobs"] for found in await db.fetch(OWNED)) < 50:
            pass


async def test_freed_place_is_taken_at_once(db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(lease=LONG_LEASE, actions=actions(max_running_per_daemon=1)).ready()
    await insert_many(db, 50)
    async with asyncio.timeout(DEADLINE):
        while await db.fetchval("select exists (select from asyncjob.job where status <> 'Completed')"):
            await asyncio.sleep(0.01)
    overlaps = await db.fetchval(
        "select count(*) from asyncjob.job as a join asyncjob.job as b"
        " on a.id < b.id and b.started_at < a.last_execution_time"
    )
    assert overlaps == 0
    idle = await db.fetchval(
        "select max(gap) from (select started_at - lag(finished_at) over (order by started_at) as gap"
        " from asyncjob.job) as gaps"
    )
    assert idle.total_seconds() < 1


async def test_nothing_starts_at_0_and_a_negative_limit_is_refused(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(lease=LONG_LEASE, actions=actions()).ready()
    await limit(db, "0")
    job_id = await insert(db, "sleeps")
    await settled(db, await insert(db, "succeed"))
    assert (await row(db, job_id))["started_at"] is None
    with pytest.raises(asyncpg.CheckViolationError, match="max_running_per_daemon"):
        await limit(db, "-1")
    await limit(db, "1")
    await settled(db, job_id)


async def test_row_that_a_client_has_locked_holds_up_no_other(
    db: Connection, start_daemon: NewDaemon, dsn: str
) -> None:
    start_daemon(lease=LONG_LEASE, actions=actions(max_running_per_daemon=1)).ready()
    await limit(db, "0")
    first, second = await insert(db, "sleeps"), await insert(db, "sleeps")
    other = await asyncpg.connect(dsn)
    async with other.transaction():
        await other.execute("select from asyncjob.job where id = $1 for update", first)
        await limit(db, "1")
        await settled(db, second)
    await settled(db, first)
    await other.close()


async def test_stopped_jobs_and_threads_keep_their_places_until_they_end(
    db: Connection, start_daemon: NewDaemon, tmp_path: Path
) -> None:
    start_daemon(lease=LONG_LEASE, actions=actions(max_running_per_daemon=1)).ready()
    blocks, next_ = await insert(db, "block"), await insert(db, "block")
    await running(db, blocks)
    await set_status(db, blocks, "Failed")
    await running(db, next_)
    thread = await insert(db, "block_in_thread", f'{{"file": "{tmp_path / "end"}"}}')
    await running(db, thread)
    after = await insert(db, "block_in_thread", f'{{"file": "{tmp_path / "end"}"}}')
    await set_status(db, thread, "Failed")
    await settled(db, await insert(db, "succeed"))
    assert (await row(db, after))["started_at"] is None
    (tmp_path / "end").touch()
    await settled(db, after)


async def test_sql_stays_until_the_file_says_something_new(db: Connection, start_daemon: NewDaemon) -> None:
    async def value() -> tuple[Any, ...]:
        found = await db.fetchrow(
            "select max_running_per_daemon, configured from asyncjob.action where name = 'sleeps'"
        )
        return tuple(found)

    async def start(**keys: Any) -> None:
        daemon = start_daemon(actions=actions(**keys)).ready()
        daemon.stop()

    await start(max_running_per_daemon=4)
    assert await value() == (4, '{"max_running_per_daemon": 4}')
    await limit(db, "2")
    await start(max_running_per_daemon=4)
    assert (await value())[0] == 2
    await start(max_running_per_daemon=5)
    assert (await value())[0] == 5
    await start()
    assert await value() == (None, "{}")
    await limit(db, "3")
    await start()
    assert (await value())[0] == 3


async def test_limits_among_very_many_actions(db: Connection, start_daemon: NewDaemon) -> None:
    limited = action(sleeps, max_running_per_daemon=1)
    start_daemon(
        lease=LONG_LEASE, actions={f"n{n}": action(succeed) for n in range(100)} | {"sleeps": limited}
    ).ready()
    await insert_many(db, 30)
    assert await most_owned(db, 0) == 1
