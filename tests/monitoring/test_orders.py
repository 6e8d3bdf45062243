"""Jobs are selected and ordered by what a selection says, a batch at a time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from asyncjobd import Client, Status
from asyncjobd.monitoring import orders, search
from asyncjobd.monitoring.orders import Progress, order
from asyncjobd.monitoring.search import newest
from asyncjobd.monitoring.selection import parse_selection
from tests.conftest import NewDaemon
from tests.support.jobs import Connection, blocked, insert, running, settled

pytestmark = pytest.mark.anyio

LIVE = (Status.QUEUED, Status.IN_PROGRESS, Status.HOLD)


@pytest.fixture
async def client(dsn: str) -> AsyncIterator[Client]:
    async with Client.connect(dsn) as client:
        yield client


async def selected(client: Client, text: str, limit: int = 1000) -> list[int]:
    jobs = await newest(client.pool.fetch, parse_selection(text, datetime.now(UTC)), limit)
    return [job.id for job in jobs]


async def ordered(client: Client, text: str, status: Status, *only_from: Status) -> Progress:
    progress = Progress()
    selection = parse_selection(text, datetime.now(UTC))
    async for _ in order(client.pool.fetch, selection, status, only_from or LIVE, progress):
        pass
    return progress


async def test_each_word_selects(client: Client, db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(name="blue").ready()
    running_job = await insert(db, "block", limit_key="'t'")
    await running(db, running_job)
    failed = await insert(db, "raises", '{"why": "timed OUT_"}', max_execution_count="1")
    await settled(db, failed)
    child = await insert(
        db, "Email_x", '{"a": {"b c": 1}, "n": "1"}', parent_id=str(failed), once_key="'o'", status="'Hold'"
    )
    other = await insert(
        db, "Emailyx", '{"a": {"b c": 2}}', unique_key="'u'", debounce_key="'d'", status="'Hold'"
    )
    for text, found in {
        "": [other, child, failed, running_job],
        "name:Email_x": [child],
        "name:Email*": [other, child],
        "name:*x": [other, child],
        "name:email_x": [],
        "status:hold": [other, child],
        "status:running": [running_job],
        "status:ready": [],
        "status:failed": [failed],
        "params.n:1": [child],
        "message:%": [],
        "daemon:blue": [running_job],
        "daemon:red": [],
        f"parent:{failed}": [child],
        "key:o": [child],
        "key:u": [other],
        "key:d": [other],
        "limit_key:t": [running_job],
        "since:1h": [other, child, failed, running_job],
        "until:1h": [],
        "name:Email* params.n:1 key:o since:1h status:Hold": [child],
        "name:Email* key:nobody": [],
    }.items():
        assert await selected(client, text) == found, text
    assert await selected(client, "", limit=2) == [other, child]


async def test_message_is_found_in_any_case_and_its_signs_mean_themselves(
    client: Client, db: Connection
) -> None:
    job_id = await insert(db, "a", status="'Failed'", message="'Timed OUT_ 100%'")
    for text in ("timed", "out_", "100%", "%", '"d o"'):
        assert await selected(client, f"message:{text}") == [job_id]
    for text in ("timed%out", "out__", "1_0"):
        assert await selected(client, f"message:{text}") == []


async def test_search_goes_through_all_rows(client: Client, db: Connection, monkeypatch: Any) -> None:
    monkeypatch.setattr(search, "WIDTH", 7)
    await db.execute(
        "insert into asyncjob.job (job_name, status) select 'n' || n % 10, 'Hold' from generate_series(1, 50) n"
    )
    assert await selected(client, "name:n3") == [43, 33, 23, 13, 3]
    assert await selected(client, "name:n3", limit=2) == [43, 33]
    assert await selected(client, "name:none") == []


async def test_order_is_written_to_all_that_are_selected_in_batches(
    client: Client, db: Connection, monkeypatch: Any
) -> None:
    monkeypatch.setattr(orders, "WIDTH", 40)
    monkeypatch.setattr(orders, "BATCH", 3)
    monkeypatch.setattr(orders, "PAUSE", 0.0)
    await db.execute(
        "insert into asyncjob.job (job_name, status)"
        " select 'n' || n % 5, case when n % 25 = 0 then 'Completed' else 'Hold' end::asyncjob.status"
        " from generate_series(1, 100) as n"
    )
    progress = await ordered(client, "name:n0", Status.FAILED)
    assert (progress.written, progress.unfit, progress.locked, progress.reached) == (16, 4, 0, 100)
    counts = await db.fetch(
        "select job_name, status::text, count(*) from asyncjob.job group by 1, 2 order by 1, 2"
    )
    assert [tuple(row) for row in counts] == [
        ("n0", "Completed", 4), ("n0", "Failed", 16), *((f"n{n}", "Hold", 20) for n in range(1, 5))
    ]  # fmt: skip
    again = await ordered(client, "name:n0", Status.FAILED)
    assert (again.written, again.unfit) == (0, 20)


async def test_order_leaves_out_rows_that_others_have_locked(client: Client, db: Connection) -> None:
    for _ in range(3):
        await insert(db, "a", status="'Hold'")
    async with db.transaction():
        await db.execute("select from asyncjob.job where id = 2 for update")
        progress = await ordered(client, "name:a", Status.FAILED)
    assert (progress.written, progress.locked) == (2, 1)


async def test_job_whose_key_another_one_has_is_left_and_all_others_run_again(
    client: Client, db: Connection
) -> None:
    ended = {"status": "'Failed'"}
    first = await insert(db, "a", unique_key="'schedule x'", **ended)
    await insert(db, "a", unique_key="'schedule x'", **ended)
    await insert(db, "a", unique_key="'held'", **ended)
    await insert(db, "b", unique_key="'held'", status="'Hold'")
    await insert(db, "a", debounce_key="'d'", **ended)
    await insert(db, "b", debounce_key="'d'", schedule_time="now() + interval '1 day'")
    started = await insert(db, "a", debounce_key="'d'", started_at="now()", **ended)
    last = await insert(db, "a", **ended)
    progress = await ordered(client, "name:a", Status.IN_PROGRESS, *Status)
    assert (progress.written, progress.taken, progress.unfit, progress.locked) == (3, 3, 0, 0)
    assert await selected(client, "status:ready") == [last, started, first]


async def test_key_that_is_taken_while_an_order_is_written_stops_no_other_job(
    client: Client, db: Connection, dsn: str
) -> None:
    for n in range(3):
        await insert(db, "a", unique_key=f"'{n}'", status="'Failed'")
    other = await asyncpg.connect(dsn)
    async with asyncio.TaskGroup() as tasks, other.transaction():
        await insert(other, "b", unique_key="'1'")
        again = tasks.create_task(ordered(client, "name:a", Status.IN_PROGRESS, *Status))
        await blocked(db)
    await other.close()
    assert (again.result().written, again.result().taken) == (2, 1)


async def test_job_that_a_trigger_refuses_to_change_stops_no_other(
    client: Client, db: Connection, monkeypatch: Any
) -> None:
    monkeypatch.setattr(orders, "PAUSE", 0.0)
    for n in range(40):
        await insert(db, "a", f'{{"n": {n}}}', status="'Hold'")
    await db.execute(
        "create function refuse() returns trigger language plpgsql as $$"
        "begin if (new.params->>'n')::integer in (3, 4, 39) then raise 'not %', new.params; end if; return new; end $$;"
        "create trigger refuse before update on asyncjob.job for each row execute function refuse()"
    )
    progress = await ordered(client, "name:a", Status.FAILED)
    assert (progress.written, progress.refused, progress.unfit, progress.reached) == (37, 3, 0, 40)
    assert progress.refusal == 'not {"n": 39}'
    assert await selected(client, "status:hold") == [40, 5, 4]


async def test_order_stops_what_runs(client: Client, db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(name="blue").ready()
    jobs = [await insert(db, "block") for _ in range(3)]
    for job_id in jobs:
        await running(db, job_id)
    progress = await ordered(client, "daemon:blue", Status.HOLD)
    assert progress.written == 3
    for job_id in jobs:
        assert (await client.get(job_id)).status is Status.HOLD  # type: ignore[union-attr]
