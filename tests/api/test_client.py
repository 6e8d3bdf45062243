"""The Python API: builder and client."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from asyncjobd import Client, JobBuilder, NewJob, Status
from asyncjobd.postgres.embedded import EmbeddedError
from asyncjobd.postgres.outage import is_outage
from tests.support.daemon import DaemonProcess
from tests.support.jobs import Connection

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(dsn: str) -> AsyncIterator[Client]:
    async with Client.connect(dsn) as client:
        yield client


async def test_job_built_in_full_is_the_row(client: Client) -> None:
    at = datetime(2040, 1, 2, 3, 4, tzinfo=UTC)
    job_id = await client.insert(
        JobBuilder("EmailSender")
        .set_params({"to": "a@b.c"})
        .set_schedule_time(at)
        .set_priority(-3)
        .set_is_recursive(True)
        .set_retry_interval(15)
        .set_retry_backoff(2)
        .set_retry_interval_max(120)
        .set_retry_jitter(0.25)
        .set_max_execution_count(7)
        .set_timeout(timedelta(seconds=90))
        .set_parent_job_id(7)
        .set_unique_key("once")
        .set_limit_key("tenant-7")
        .build()
    )
    assert job_id is not None
    job = await client.get(job_id)
    assert job is not None
    assert (job.job_name, job.params, job.status, job.schedule_time) == (
        "EmailSender",
        {"to": "a@b.c"},
        Status.QUEUED,
        at,
    )
    assert (job.priority, job.is_recursive, job.max_execution_count, job.parent_id) == (-3, True, 7, 7)
    assert (job.retry_interval, job.timeout) == (timedelta(minutes=15), timedelta(seconds=90))
    assert (job.retry_backoff, job.retry_interval_max, job.retry_jitter) == (2.0, timedelta(hours=2), 0.25)
    assert (job.unique_key, job.limit_key, job.due_at, job.execution_count) == ("once", "tenant-7", at, 0)


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("set_schedule_time", datetime(2040, 1, 1)),  # noqa: DTZ001
        ("set_retry_interval", 0),
        ("set_retry_backoff", 0.9),
        ("set_retry_interval_max", timedelta(0)),
        ("set_retry_jitter", float("nan")),
        ("set_timeout", -1),
        ("set_max_execution_count", 0),
        ("set_limit_key", ""),
        ("set_limit_key", "é" * 251),
        ("set_schedule_time", datetime.max.replace(tzinfo=UTC)),
        ("set_timeout", timedelta(days=360_001)),
        ("set_timeout", float("inf")),
        ("set_max_execution_count", 2**31),
        ("set_waits_for", [2**63]),
    ],
)
def test_builder_refuses_what_the_table_would(method: str, value: object) -> None:
    with pytest.raises(ValueError, match=method.removeprefix("set_")):
        getattr(JobBuilder("x"), method)(value)


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("set_schedule_time", date(2040, 1, 1)),
        ("set_priority", "high"),
        ("set_priority", 1.5),
        ("set_retry_backoff", "2"),
        ("set_timeout", "5 min"),
        ("set_unique_key", 5),
        ("set_waits_for", "123"),
        ("set_waits_for", [None]),
    ],
)
def test_value_of_another_type_is_named_by_the_builder(method: str, value: object) -> None:
    with pytest.raises(TypeError, match=rf"{method.removeprefix('set_')} is .*, which is no "):
        getattr(JobBuilder("x"), method)(value)


async def test_numbers_of_a_driver_are_taken(client: Client) -> None:
    job = JobBuilder("x").set_priority(Decimal(3)).set_retry_backoff(Decimal("1.5"))  # type: ignore[arg-type]
    needed = await client.insert(NewJob(job_name="x"))
    job_id = await client.insert(job.set_waits_for([Decimal(needed or 0)]).build())  # type: ignore[list-item]
    inserted = None if job_id is None else await client.get(job_id)
    assert inserted is not None
    assert (inserted.priority, inserted.retry_backoff, inserted.waits_for) == (3, 1.5, [needed])


async def test_typed_params_are_inserted_as_json(client: Client) -> None:
    class Params(msgspec.Struct):
        to: str

    job_id = await client.insert(JobBuilder("x").set_params(Params("a@b.c")).build())
    assert job_id is not None
    job = await client.get(job_id)
    assert job is not None
    assert job.params == {"to": "a@b.c"}


async def test_many_are_inserted_in_order_without_those_whose_key_is_taken(client: Client) -> None:
    jobs = [
        NewJob(job_name="x", unique_key=f"k{n % 4}" if n % 3 == 0 else None, params=n) for n in range(12_000)
    ]
    ids = await client.insert_many(jobs)
    assert [n for n, job_id in enumerate(ids) if job_id is not None and jobs[n].unique_key] == [0, 3, 6, 9]
    inserted = {job.id: job.params for job in await client.list(job_name="x", limit=20_000)}
    assert inserted == {job_id: n for n, job_id in enumerate(ids) if job_id is not None}


async def test_each_of_many_has_its_limit_key(client: Client) -> None:
    keys = ["é" * 250, None, "b"]
    ids = await client.insert_many([NewJob(job_name="x", limit_key=key) for key in keys])
    inserted = {job.id: job.limit_key for job in await client.list(job_name="x")}
    assert [inserted[job_id] for job_id in ids if job_id is not None] == keys


async def test_insert_on_the_callers_transaction_is_rolled_back_with_it(
    client: Client, db: Connection
) -> None:
    transaction = db.transaction()
    await transaction.start()
    job_id = await client.insert(NewJob(job_name="x"), connection=db)
    assert job_id is not None
    assert await client.get(job_id) is None
    await transaction.rollback()
    assert await client.get(job_id) is None


async def test_params_stay_objects_on_a_connection_that_encodes_jsonb(client: Client, db: Connection) -> None:
    await db.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    try:
        jobs = [NewJob(job_name="x", params={"to": "a"}, once_key=key) for key in (None, None, "once")]
        ids = [await client.insert(jobs[0], connection=db), *await client.insert_many(jobs, connection=db)]
        params = await db.fetch("select params from asyncjob.job where id = any($1::bigint[])", ids)
    finally:
        await db.reset_type_codec("jsonb", schema="pg_catalog")
    assert [row["params"] for row in params] == [{"to": "a"}] * 4


async def test_client_is_refused_in_another_event_loop_and_goes_on_in_its_own(client: Client) -> None:
    assert await client.get(1) is None
    with pytest.raises(RuntimeError, match="another event loop"):
        await asyncio.to_thread(lambda: asyncio.run(client.get(1)))
    assert await client.get(1) is None


async def test_closed_client_opens_no_further_connection(dsn: str) -> None:
    async with Client.connect(dsn) as client:
        pass
    with pytest.raises(RuntimeError, match="client connections are closed"):
        await client.insert(NewJob(job_name="x"))


async def test_wait_returns_the_outcome(client: Client, daemon: DaemonProcess) -> None:
    job_id = await client.insert(JobBuilder("succeed").set_params({"a": 1}).build())
    assert job_id is not None
    job = await client.wait(job_id, timeout=timedelta(seconds=10))
    assert (job.status, job.message, job.result) == (Status.COMPLETED, "done", {"a": 1})


async def test_wait_gives_up_and_says_where_the_job_is(client: Client) -> None:
    job_id = await client.insert(NewJob(job_name="x", status=Status.HOLD))
    assert job_id is not None
    with pytest.raises(TimeoutError, match=f"job {job_id} is Hold after 0.1 s"):
        await client.wait(job_id, timeout=timedelta(milliseconds=100))
    with pytest.raises(LookupError, match="there is no job 12345"):
        await client.wait(12345)
    with pytest.raises(
        TypeError, match=r"timeout is 30, which is no timedelta: write timedelta\(seconds=30\)"
    ):
        await client.wait(job_id, timeout=30)  # type: ignore[arg-type]


async def test_status_is_written_only_from_the_statuses_named(client: Client) -> None:
    job_id = await client.insert(NewJob(job_name="x", status=Status.HOLD))
    assert job_id is not None
    assert await client.set_status(job_id, Status.QUEUED, only_from=[Status.FAILED]) is None
    released = await client.set_status(job_id, Status.QUEUED, only_from=[Status.HOLD])
    assert released is not None
    assert released.status is Status.IN_PROGRESS


async def test_children_are_counted_by_status(client: Client) -> None:
    await client.insert_many([NewJob(job_name="x", parent_id=5, status=Status.HOLD) for _ in range(3)])
    await client.insert(NewJob(job_name="x", parent_id=5))
    assert await client.count_children(5) == {Status.HOLD: 3, Status.IN_PROGRESS: 1}


async def test_client_lives_through_the_loss_of_its_connections(client: Client, db: Connection) -> None:
    await asyncio.gather(*(client.list() for _ in range(4)))
    await db.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'asyncjobd client'"
    )
    for _ in range(4):
        try:
            await client.list()
        except Exception as error:
            assert is_outage(error)
    assert await client.list() == []


async def test_client_makes_no_server_where_no_daemon_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(EmbeddedError, match=rf"there is no embedded server at {tmp_path}.*ASYNCJOBD_CONFIG"):
        async with Client.connect():
            pass
    assert list(tmp_path.iterdir()) == []
