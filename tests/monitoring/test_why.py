"""`why` answers in each state that a job can be in, and for one that is not there."""

import asyncio
from collections.abc import AsyncIterator
from importlib.resources import files

import asyncpg
import pytest

from asyncjobd.client import Client
from asyncjobd.monitoring.documentation import SECTIONS
from asyncjobd.monitoring.why.answer import why
from asyncjobd.monitoring.why.reason import Reason
from tests.conftest import NewDaemon
from tests.support.actions import COMMON, Action
from tests.support.daemon import DEADLINE, DaemonProcess
from tests.support.jobs import Connection, as_engine, insert, running, set_status, settled, unowned

pytestmark = pytest.mark.anyio

DOCS = files("asyncjobd") / "docs"
# as a client inserts it: the beginning of the reason, where a daemon serves `sleeps` and two slots are taken
INSERTED = [
    ({"schedule_time": "now() + interval '3 days'"}, "due ", "statuses"),
    ({"status": "'Hold'"}, "on Hold since ", "statuses"),
    ({"status": "'Completed'"}, "inserted as Completed by postgres", ""),
    ({"status": "'Failed'"}, "inserted as Failed by postgres", ""),
    ({"waits_for": "array[1]"}, "waits for job 1 (sleeps, running, since ", "jobs_wait_for_jobs"),
    ({"waits_for_children": "true", "schedule_time": "'2040-01-01'"}, "due ", "statuses"),
    ({}, "all 2 slots of the daemon that serves it run other jobs (2 of sleeps, the longest for ", "job_does_not_start"),
]  # fmt: skip
# as a client writes the status of a Queued, a ready and a running row
WRITTEN = {
    "Queued": {"Hold": "on Hold since ", "Completed": "set to Completed ", "Failed": "set to Failed ", "In Progress": "all 2 slots"},
    "ready": {"Hold": "on Hold since ", "Completed": "set to Completed ", "Failed": "set to Failed ", "Queued": "all 2 slots"},
    "Hold": {"Queued": "all 2 slots", "In Progress": "all 2 slots", "Completed": "set to Completed ", "Failed": "set to Failed "},
    "Failed": {"Queued": "all 2 slots", "In Progress": "all 2 slots", "Hold": "inserted as Failed", "Completed": "inserted as Completed"},
}  # fmt: skip


@pytest.fixture
async def client(dsn: str) -> AsyncIterator[Client]:
    async with Client.connect(dsn) as client:
        yield client


@pytest.fixture
def actions() -> dict[str, Action]:
    return COMMON


async def reason(client: Client, job_id: int) -> Reason:
    found = await why(client.pool.fetch, job_id)
    assert found.topic == "" or any(
        (DOCS / section / f"{found.topic}.md").is_file() for section in SECTIONS
    ), found
    assert found.sentence == " ".join(found.sentence.split())
    return found


async def busy(db: Connection, start_daemon: NewDaemon) -> DaemonProcess:
    """Start a daemon both of whose slots are taken."""
    daemon = start_daemon(concurrency=2).ready()
    for _ in range(2):
        await running(db, await insert(db, "sleeps", '{"seconds": 3600}'))
    return daemon


async def test_job_that_a_client_inserts(client: Client, db: Connection, start_daemon: NewDaemon) -> None:
    await busy(db, start_daemon)
    for columns, sentence, topic in INSERTED:
        job_id = await insert(db, "sleeps", **columns)
        if "waits_for" in columns or "waits_for_children" in columns:
            await unowned_and_looked_at(db, job_id)
        found = await reason(client, job_id)
        assert found.sentence.startswith(sentence), columns
        assert found.topic == topic
        await set_status(db, job_id, "Failed")


async def unowned_and_looked_at(db: Connection, job_id: int) -> None:
    async with asyncio.timeout(DEADLINE):
        while await db.fetchval("select waits_on from asyncjob.job where id = $1", job_id) == 0:
            await asyncio.sleep(0.01)


async def test_job_whose_status_a_client_writes(
    client: Client, db: Connection, start_daemon: NewDaemon
) -> None:
    await busy(db, start_daemon)
    for before, statuses in WRITTEN.items():
        for status, sentence in statuses.items():
            first = {"Queued": "Queued", "ready": "In Progress"}.get(before, before)
            time = {"schedule_time": "now() + interval '1 h'"} if before == "Queued" else {}
            job_id = await insert(db, "sleeps", status=f"'{first}'", **time)
            await set_status(db, job_id, status)
            found = await reason(client, job_id)
            assert found.sentence.startswith(sentence), (before, status)
            if found.kind == "cancelled":
                assert found.sentence.endswith(" ago) by postgres")
            await set_status(db, job_id, "Failed")


async def test_execution_and_what_follows_it(client: Client, db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(name="blue").ready()
    expected = [
        ("succeed", {}, "Completed", "done at try 1 of 5, in "),
        ("raises", {"max_execution_count": "2", "retry_interval": "'10 ms'"}, "Failed", "all 2 tries are used up; the last ended as failed"),
        ("raises", {"max_execution_count": "1"}, "Failed", "its one try is used up; the last ended as failed"),
        ("answer", {}, "Failed", "try 1 of 5 ended as fatal_error, which is not tried again"),
        ("sleeps", {"max_execution_count": "1", "timeout": "'10 ms'"}, "Failed", "its one try is used up; the last ended as timeout"),
        ("raises", {}, "Queued", "due "),
    ]  # fmt: skip
    for name, columns, status, sentence in expected:
        job_id = await insert(db, name, '{"seconds": 3600, "answers": ["fatal_error"]}', **columns)
        await (unowned(db, job_id, status) if status == "Queued" else settled(db, job_id))
        assert (await reason(client, job_id)).sentence.startswith(sentence), (name, columns)
    job_id = await insert(db, "sleeps", '{"seconds": 3600}', timeout="'1 h'")
    await running(db, job_id)
    found = await reason(client, job_id)
    assert found.sentence.startswith("runs on blue on ")
    assert ", at try 1 of 5; its timeout ends it in " in found.sentence


async def test_job_that_is_told_to_stop(client: Client, db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(name="blue").ready()
    job_id = await insert(db, "block_in_thread", '{"file": "/nowhere"}')
    await running(db, job_id)
    await set_status(db, job_id, "Hold")
    found = await reason(client, job_id)
    assert found.kind == "stopping"
    assert found.sentence.startswith("was told to stop ")
    assert "by postgres, and its handler on blue on " in found.sentence


async def test_job_whose_daemon_is_silent_or_gone(
    client: Client, db: Connection, start_daemon: NewDaemon
) -> None:
    daemon = start_daemon(name="blue", lease="3600 s").ready()
    job_id = await insert(db, "sleeps", '{"seconds": 3600}')
    await running(db, job_id)
    daemon.process.kill()
    await as_engine(db, "update asyncjob.daemon set heartbeat_at = now() - interval '2 h'")
    found = await reason(client, job_id)
    assert found.sentence.endswith("longer than its lease of 60min: start one, which takes the job back")
    await as_engine(db, "delete from asyncjob.daemon")
    assert (await reason(client, job_id)).kind == "lost"


async def test_job_that_is_not_there(client: Client, db: Connection, dsn: str) -> None:
    assert (await reason(client, 1)).sentence == "there is no job 1: the last id that was given out is 0"
    other = await asyncpg.connect(dsn)
    async with other.transaction():
        job_id = await insert(other, "succeed")
        found = await reason(client, job_id)
        assert found.sentence.startswith(f"there is no job {job_id}: its INSERT may not be committed yet")
        assert f"pid {other.get_server_pid()} (postgres, , idle in transaction)" in found.sentence
    await other.execute("delete from asyncjob.job")
    await other.close()
    found = await reason(client, job_id)
    assert found.sentence.endswith("its INSERT was undone, or the job was deleted, perhaps by [retention]")
