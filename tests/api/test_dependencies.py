"""Trees of jobs by the Python API: inserted, read by the handler that waited for them, and cancelled."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from asyncjobd import Client, JobBuilder, NewJob, Status
from asyncjobd import client as client_module
from asyncjobd.testing import run_job
from tests.conftest import NewDaemon
from tests.support.jobs import Connection, insert, row, running, settled

pytestmark = pytest.mark.anyio

HANDLERS = """
import asyncio

from asyncjobd import JobBuilder, JobHandler, JobResult, Status


async def part(params, context):
    return JobResult.fatal_error("no good") if params.get("fails") else JobResult.success("good", params["n"])


class total(JobHandler):
    async def execute(self):
        done = [part.result async for part in self.children() if part.status is Status.COMPLETED]
        needed = await self.needed()
        messages = [job.message for job in needed.values()]
        return JobResult.success(result=[sum(done), list(needed), messages])


def total_in_thread(params, context):
    done = [part.result for part in context.children() if part.status is Status.COMPLETED]
    needed = context.needed()
    return JobResult.success(result=[sum(done), list(needed), [job.message for job in needed.values()]])


async def wrong(params, context):
    return JobResult.success(result=list(context.children()))


async def tree(params, context):
    child = JobBuilder("part").set_params({"n": 1}).build()
    await context.client.insert_tree(JobBuilder("total").build(), [child, child])


async def stubborn(params, context):
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        await asyncio.sleep(params["seconds"])
        await context.client.insert(JobBuilder("part").set_parent_job_id(context.job.id).build())
        raise
"""


@pytest.fixture
async def client(dsn: str) -> AsyncIterator[Client]:
    async with Client.connect(dsn) as connected:
        yield connected


@pytest.fixture
def served(start_daemon: NewDaemon, tmp_path: Path) -> None:
    (tmp_path / "trees.py").write_text(HANDLERS)
    actions = {
        name: {"handler": f"trees:{name}"}
        for name in ("part", "total", "total_in_thread", "wrong", "stubborn")
    }
    for name in ("total", "total_in_thread"):
        actions[f"{name}_isolated"] = actions[name] | {"isolation": "process"}
    start_daemon(handler_path=[str(tmp_path)], actions=actions).ready()


def parts(numbers: range) -> Iterator[NewJob]:
    return (JobBuilder("part").set_params({"n": n}).build() for n in numbers)


@pytest.mark.parametrize("name", ["total", "total_in_thread", "total_isolated", "total_in_thread_isolated"])
async def test_parent_reads_what_its_children_and_needs_came_to(
    client: Client, db: Connection, served: None, name: str
) -> None:
    bad = await client.insert(JobBuilder("part").set_params({"fails": True}).build())
    good = await client.insert(JobBuilder("part").set_params({"n": 7}).build())
    assert bad is not None
    assert good is not None
    parent = JobBuilder(name).set_waits_for([good, bad]).set_when_failed(Status.QUEUED).build()
    parent_id, *child_ids = await client.insert_tree(parent, parts(range(2_500)))
    assert parent_id is not None
    job = await settled(db, parent_id)
    assert job["result"] == f'[{sum(range(2_500))}, [{bad}, {good}], ["no good", "good"]]', job["message"]
    assert len({*child_ids}) == 2_500
    assert await client.count_children(parent_id) == {Status.COMPLETED: 2_500}


async def test_coroutine_is_told_to_use_the_client(db: Connection, served: None) -> None:
    job = await settled(db, await insert(db, "wrong", max_execution_count="1"))
    assert "in a coroutine, await the method of context.client" in job["message"]


async def test_tree_is_inserted_as_a_whole_or_not_at_all(client: Client, db: Connection) -> None:
    held = JobBuilder("total").set_status(Status.HOLD).set_unique_key("report").build()
    with pytest.raises(Exception, match="job_name must have 1 to 500 bytes"):
        await client.insert_tree(held, [*parts(range(6_000)), NewJob(job_name="")])
    assert await db.fetchval("select count(*) from asyncjob.job") == 0
    taken = NewJob(job_name="part", unique_key="part")
    parent_id, *ids = await client.insert_tree(held, [taken, taken])
    assert (ids.count(None), len(ids)) == (1, 2)
    assert parent_id is not None
    assert (await row(db, parent_id))["waits_for_children"]
    assert await client.insert_tree(held, parts(range(3))) == []
    assert await db.fetchval("select count(*) from asyncjob.job") == 2


@pytest.mark.parametrize("is_open", [True, False])
async def test_tree_on_the_callers_connection(
    client: Client, db: Connection, served: None, *, is_open: bool
) -> None:
    """A parent that is committed before its children would find none, and run at once."""
    transaction = db.transaction()
    if is_open:
        await transaction.start()
    parent_id, *_ = await client.insert_tree(NewJob(job_name="total"), parts(range(10)), connection=db)
    assert parent_id is not None
    if is_open:
        assert await client.get(parent_id) is None
        await transaction.commit()
    assert (await settled(db, parent_id))["result"] == f"[{sum(range(10))}, [], []]"


async def test_tree_is_cancelled_and_counted(client: Client, db: Connection) -> None:
    parent_id, child_id = await client.insert_tree(NewJob(job_name="total"), parts(range(1)))
    assert parent_id is not None
    await client.insert(NewJob(job_name="part", parent_id=child_id))
    assert await client.cancel_tree(parent_id) == 3
    assert await client.cancel_tree(parent_id) == 0
    assert await client.cancel_tree(10**15) == 0


async def test_tree_that_grows_for_ever_is_given_up(
    client: Client, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MAX_CANCELS", 3)
    parent_id = await insert(db, "total", status="'Hold'")
    await db.execute("""
        create function grow() returns trigger language plpgsql as $$ begin
            insert into asyncjob.job (job_name, parent_id) values ('part', new.id); return null; end $$;
        create trigger grow after update on asyncjob.job for each row execute function grow();
    """)
    with pytest.raises(RuntimeError, match=f"job {parent_id}: 3 jobs were cancelled, and others are still"):
        await client.cancel_tree(parent_id)


async def test_child_that_a_handler_inserts_while_it_is_stopped_is_cancelled_too(
    client: Client, db: Connection, served: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent_id = await insert(db, "stubborn", '{"seconds": 0.5}')
    await running(db, parent_id)
    assert await client.cancel_tree(parent_id) == 2
    assert [child.status async for child in client.children(parent_id)] == [Status.FAILED]
    monkeypatch.setattr(client_module, "MAX_STOPPING", 0.0)
    slow = await insert(db, "stubborn", '{"seconds": 2}')
    await running(db, slow)
    with pytest.raises(
        RuntimeError, match=f"job {slow}: 1 jobs were cancelled, and 1 of their handlers are still"
    ):
        await client.cancel_tree(slow)


async def test_tree_is_noted_where_there_is_no_database() -> None:
    namespace: dict[str, object] = {}
    exec(HANDLERS, namespace)
    ran = await run_job(namespace["tree"])
    assert [job.job_name for job in ran.inserted] == ["total", "part", "part"]
    assert ran.inserted[0].waits_for_children
    assert {job.parent_id for job in ran.inserted[1:]} == {2}
