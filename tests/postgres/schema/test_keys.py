"""Keys: at most one job of a key that has not ended (unique), has not started (debounce), or at all (once)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from tests.conftest import NewDaemon
from tests.support.actions import action
from tests.support.daemon import DEADLINE
from tests.support.handlers import block, raises, sleeps, succeed
from tests.support.jobs import (
    Connection,
    blocked,
    executions,
    insert,
    row,
    running,
    set_status,
    settled,
    unowned,
)

pytestmark = pytest.mark.anyio

ACTIONS = {
    "succeed": action(succeed), "sleeps": action(sleeps), "block": action(block),
    "fail": action(raises, retry_interval="1000 s"),
}  # fmt: skip
NEW = "insert into asyncjob.job (job_name, {kind}) values ('block', 'k') on conflict do nothing returning id"
DEBOUNCED = """
    insert into asyncjob.job (job_name, params, debounce_key) values ($1, $2, 'k')
        on conflict (debounce_key) where debounce_key is not null and started_at is null and finished_at is null
        do update set params = excluded.params
    returning id
"""
CLAIM = "update asyncjob.job set daemon_id = 1, claim_token = 1, started_at = now() where id = $1"


@pytest.fixture
async def twelve(dsn: str) -> AsyncIterator[list[Connection]]:
    connections = await asyncio.gather(*(asyncpg.connect(dsn) for _ in range(12)))
    yield list(connections)
    await asyncio.gather(*(connection.close() for connection in connections))


@pytest.fixture
async def engine(dsn: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(dsn, server_settings={"asyncjob.engine": "on"})
    yield connection
    await connection.close()


async def debounce(db: Connection, delay: str = "1 hour", at_most: str | None = None, n: int = 1) -> int:
    call = (
        "select asyncjob.debounce('succeed', to_jsonb($1::int), 'k', $2::text::interval, $3::text::interval)"
    )
    return int(await db.fetchval(call, n, delay, at_most))


@pytest.mark.parametrize("kind", ["unique_key", "debounce_key", "once_key"])
async def test_key_raced_by_twelve_inserters_is_had_by_one(
    db: Connection, twelve: list[Connection], kind: str
) -> None:
    ids = await asyncio.gather(*(connection.fetchval(NEW.format(kind=kind)) for connection in twelve))
    (winner,) = [job_id for job_id in ids if job_id is not None]
    assert await db.fetchval("select id from asyncjob.job") == winner


async def test_debounce_raced_by_twelve_inserters_changes_one_row(
    db: Connection, twelve: list[Connection]
) -> None:
    ids = await asyncio.gather(*(debounce(connection, n=n) for n, connection in enumerate(twelve)))
    assert len(set(ids)) == 1
    assert await db.fetchval("select count(*) from asyncjob.job") == 1


async def test_once_key_is_never_free_again_until_its_row_is_deleted(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(actions=ACTIONS).ready()
    job_id = await insert(db, "succeed", once_key="'k'")
    await settled(db, job_id)
    again = NEW.format(kind="once_key")
    assert await db.fetchval(again) is None
    await set_status(db, job_id, "In Progress")
    await settled(db, job_id)
    assert await db.fetchval(again) is None
    await db.execute("delete from asyncjob.job")
    assert await db.fetchval(again) is not None


async def test_debounced_job_starts_after_the_last_request_but_not_later_than_at_most(db: Connection) -> None:
    job_id = await debounce(db, "1 hour", n=1)
    first = await row(db, job_id)
    assert first["schedule_time"] - first["created_at"] == timedelta(hours=1)
    assert await debounce(db, "2 hours", n=2) == job_id
    second = await row(db, job_id)
    assert timedelta(hours=2) <= second["due_at"] - first["created_at"] < timedelta(hours=2, minutes=5)
    assert (second["params"], second["status"]) == ("2", "Queued")
    assert await debounce(db, "2 hours", "90 min", n=3) == job_id
    third = await row(db, job_id)
    assert third["due_at"] - first["created_at"] == timedelta(minutes=90)
    assert third["params"] == "3"


async def test_debounced_job_that_is_ready_waits_again(db: Connection) -> None:
    job_id = await debounce(db, "0")
    assert (await row(db, job_id))["status"] == "In Progress"
    assert await debounce(db, "1 hour") == job_id
    assert (await row(db, job_id))["status"] == "Queued"


async def test_request_for_a_job_of_another_name_is_refused(db: Connection) -> None:
    job_id = await debounce(db)
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        await db.execute("select asyncjob.debounce('block', '2', 'k', '1 hour')")
    assert refused.value.args[0] == (
        f"asyncjob.job: debounce_key 'k' is that of job {job_id} of succeed: a job of block needs another one"
    )
    assert (await row(db, job_id))["params"] == "1"


async def test_debounce_without_a_key_is_refused(db: Connection) -> None:
    with pytest.raises(asyncpg.NullValueNotAllowedError, match="key must not be null"):
        await db.execute("select asyncjob.debounce('succeed', '1', null, '1 hour')")


async def request_that_meets_a_claim(
    db: Connection, engine: Connection, dsn: str, job_id: int, *, is_kept: bool
) -> int:
    """Ask for a job again while a daemon claims it, and return the id of the job that the request gets."""
    other = await asyncpg.connect(dsn)
    transaction = engine.transaction()
    await transaction.start()
    await engine.execute(CLAIM, job_id)
    request = asyncio.create_task(other.fetchval(DEBOUNCED, "succeed", "2"))
    await blocked(db)
    await (transaction.commit() if is_kept else transaction.rollback())
    got = int(await request)
    await other.close()
    return got


async def test_request_that_meets_the_claim_makes_a_new_row(
    db: Connection, engine: Connection, dsn: str
) -> None:
    job_id = await db.fetchval(DEBOUNCED, "succeed", "1")
    second = await request_that_meets_a_claim(db, engine, dsn, job_id, is_kept=True)
    assert second != job_id
    assert [(await row(db, each))["params"] for each in (job_id, second)] == ["1", "2"]


async def test_request_that_meets_a_claim_which_is_taken_back_changes_the_row(
    db: Connection, engine: Connection, dsn: str
) -> None:
    job_id = await db.fetchval(DEBOUNCED, "succeed", "1")
    assert await request_that_meets_a_claim(db, engine, dsn, job_id, is_kept=False) == job_id
    assert (await row(db, job_id))["params"] == "2"


async def test_no_request_is_lost_while_daemons_start_what_is_debounced(
    db: Connection, twelve: list[Connection], start_daemon: NewDaemon
) -> None:
    daemons = [start_daemon(name=name, actions=ACTIONS).ready() for name in ("one", "two")]

    async def request(number: int) -> None:
        for n in range(50):
            await twelve[number].execute(DEBOUNCED, "succeed", f'{{"n": {50 * number + n}}}')

    await asyncio.gather(*map(request, range(12)))
    last = await db.fetchval(DEBOUNCED, "succeed", '{"n": -1}')
    job = await settled(db, last)
    assert (job["status"], job["params"]) == ("Completed", '{"n": -1}')
    async with asyncio.timeout(DEADLINE):
        while await db.fetchval("select count(*) from asyncjob.job where status <> 'Completed'"):
            await asyncio.sleep(0.01)
    assert not [event for daemon in daemons for event in daemon.events() if event["level"] == "error"]


async def test_retry_beside_a_new_request_fails_on_no_key(db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(actions=ACTIONS).ready()
    first = await db.fetchval(DEBOUNCED, "fail", '{"n": 1}')
    await unowned(db, first, "Queued")
    second = await db.fetchval(DEBOUNCED, "fail", '{"n": 2}')
    assert second != first
    await unowned(db, second, "Queued")
    await set_status(db, first, "In Progress")
    async with asyncio.timeout(DEADLINE):
        while len(await executions(db, first)) < 2:
            await asyncio.sleep(0.01)


ENDS = {
    "cancelled": "update asyncjob.job set status = 'Failed' where debounce_key = 'k'",
    "completed by a client": "update asyncjob.job set status = 'Completed' where debounce_key = 'k'",
    "deleted": "delete from asyncjob.job where debounce_key = 'k'",
}


@pytest.mark.parametrize("end", ENDS)
async def test_job_that_ends_before_it_starts_frees_its_debounce_key(db: Connection, end: str) -> None:
    job_id = await insert(db, "block", debounce_key="'k'", status="'Hold'")
    await db.execute(ENDS[end])
    assert await db.fetchval(NEW.format(kind="debounce_key")) != job_id


async def test_job_that_fails_with_what_it_waits_for_frees_its_debounce_key(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(actions=ACTIONS).ready()
    needed = await insert(db, "succeed", status="'Hold'")
    job_id = await insert(db, "succeed", debounce_key="'k'", waits_for=f"'{{{needed}}}'")
    await set_status(db, needed, "Failed")
    assert (await settled(db, job_id))["started_at"] is None
    second = await insert(db, "succeed", debounce_key="'k'")
    assert (await settled(db, second))["status"] == "Completed"


async def test_history_has_keys_that_are_free(db: Connection) -> None:
    for _ in range(2):
        await insert(db, "succeed", debounce_key="'k'", unique_key="'k'", status="'Completed'")


async def test_job_that_is_run_again_beside_one_with_its_key_is_refused(db: Connection) -> None:
    first = await insert(db, "succeed", debounce_key="'k'", status="'Hold'")
    await set_status(db, first, "Failed")
    await insert(db, "succeed", debounce_key="'k'", status="'Hold'")
    with pytest.raises(asyncpg.UniqueViolationError, match="job_debounce_key"):
        await set_status(db, first, "In Progress")


RECIPES = {
    "keep": ("do nothing", None, '{"n": 1}'),
    "replace": ("do update set params = excluded.params where job.daemon_id is null", True, '{"n": 2}'),
    "reschedule": (
        "do update set schedule_time = excluded.schedule_time where job.daemon_id is null",
        True,
        '{"n": 1}',
    ),
}


@pytest.mark.parametrize("recipe", RECIPES)
async def test_recipe_for_a_unique_key_that_is_taken(
    db: Connection, start_daemon: NewDaemon, recipe: str
) -> None:
    action_on_conflict, answers, params = RECIPES[recipe]
    request = f"""
        insert into asyncjob.job (job_name, params, unique_key, schedule_time)
             values ('block', $1, 'k', now() + $2::text::interval)
            on conflict (unique_key)
               where unique_key is not null and status in ('Queued', 'In Progress', 'Hold') {action_on_conflict}
        returning id
    """
    first = await db.fetchval(request, '{"n": 1}', "1 hour")
    assert await db.fetchval(request, '{"n": 2}', "2 hours") == (first if answers else None)
    found = await row(db, first)
    delay = timedelta(hours=2 if recipe == "reschedule" else 1)
    assert (found["params"], found["due_at"] - found["created_at"] >= delay) == (params, True)
    start_daemon(actions=ACTIONS).ready()
    await set_status(db, first, "In Progress")
    before = await running(db, first)
    assert await db.fetchval(request, '{"n": 3}', "3 hours") is None
    after: Any = await row(db, first)
    assert (after["params"], after["schedule_time"]) == (before["params"], before["schedule_time"])
