"""asyncjobd.testing, used as the author of a handler uses it."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asyncjobd import Context, JobBuilder, JobHandler, JobResult, Outcome, Status
from asyncjobd.actions.handlers import OptionsError
from asyncjobd.actions.imports import LoadError
from asyncjobd.testing import NeedsDatabase, Workbench, run_job
from tests.docs.snippets import named

pytestmark = pytest.mark.anyio

AUTHORS_CONFTEST = 'pytest_plugins = ["asyncjobd.testing.fixtures"]\n'


class Letter(msgspec.Struct):
    to: str
    copies: int = 1


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sender: str = "nobody"


class Post(JobHandler[Letter]):
    Options = Options

    async def execute(self) -> JobResult:
        await self.progress(0.5, "written")
        await self.progress(1)
        for number in range(self.params.copies - 1):
            await self.client.insert(JobBuilder("Copy").set_params({"number": number}).build())
        return JobResult.success(f"from {self.options.sender} to {self.params.to}", {"sent": True})


async def deposit(params: dict[str, int], context: Context) -> None:
    async with context.transaction() as connection:
        await connection.execute("insert into effect values ($1)", params["amount"])


async def decodes(params: dict[str, bool], context: Context) -> JobResult:
    async with context.transaction() as connection:
        if params["sets"]:
            await connection.set_type_codec("jsonb", encoder=str, decoder=len, schema="pg_catalog")
        return JobResult.success(result=await connection.fetchval("select '[]'::jsonb"))


async def breaks(params: object, context: Context) -> None:
    raise ValueError("as it must")


async def blocks(params: object, context: Context) -> None:
    await asyncio.sleep(3600)


def in_thread(params: dict[str, str], context: Context) -> JobResult:
    return JobResult.completed(params["word"])


async def fans_out(params: dict[str, int], context: Context) -> None:
    for _ in range(params["children"]):
        await context.client.insert(JobBuilder("Thread").set_params({"word": "child"}).build())


async def retries(params: object, context: Context) -> JobResult:
    if context.job.execution_count == 1:
        return JobResult.failed("not yet")
    return JobResult.success("at last")


async def takes_no_hint(params: object, context: Context) -> None:
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        await asyncio.sleep(3600)


async def forgets_the_key(params: object, context: Context) -> None:
    job = JobBuilder("x").set_once_key("a").set_debounce("a").build()
    await context.client.insert(job)


async def huge(params: object, context: Context) -> JobResult:
    return JobResult.success(result=msgspec.Raw(b"1e400"))


async def test_number_that_python_cannot_hold_is_returned_as_text() -> None:
    ran = await run_job(huge)
    assert (ran.outcome, ran.result) == (Outcome.SUCCESS, "1e400")


async def test_execution_tells_what_it_ended_in() -> None:
    ran = await run_job(Post, {"to": "a@b.c", "copies": 3}, options={"sender": "me"})
    assert (ran.outcome, ran.status, ran.message) == (Outcome.SUCCESS, Status.COMPLETED, "from me to a@b.c")
    assert ran.result == {"sent": True}
    assert ran.progress == [(0.5, "written"), (1.0, None)]
    assert [(job.job_name, job.params, job.parent_id) for job in ran.inserted] == [
        ("Copy", {"number": 0}, 1),
        ("Copy", {"number": 1}, 1),
    ]


async def test_params_that_do_not_fit_are_an_end_and_options_are_refused() -> None:
    ran = await run_job(Post, {"to": 7})
    assert (ran.outcome, ran.message) == (
        Outcome.FATAL_ERROR,
        "params do not fit Post: to: expected `str`, got `int`",
    )
    with pytest.raises(OptionsError, match="sendre is unknown"):
        await run_job(Post, {"to": "a"}, options={"sendre": "me"})


async def test_exception_and_timeout_are_ends() -> None:
    ran = await run_job(breaks)
    assert (ran.outcome, ran.status, ran.message) == (Outcome.FAILED, Status.QUEUED, "ValueError: as it must")
    assert ran.traceback is not None
    assert "in breaks" in ran.traceback
    assert (await run_job(breaks, max_execution_count=1)).status is Status.FAILED
    ran = await run_job(blocks, timeout=timedelta(milliseconds=10), is_recursive=True)
    assert (ran.outcome, ran.status) == (Outcome.TIMEOUT, Status.QUEUED)
    ran = await run_job(takes_no_hint, timeout=timedelta(milliseconds=10))
    assert ran.outcome is Outcome.TIMEOUT


async def test_job_that_the_client_would_refuse_is_refused_without_a_database() -> None:
    ran = await run_job(forgets_the_key)
    assert ran.outcome is Outcome.FAILED
    assert ran.message is not None and "another key" in ran.message


async def test_handlers_of_every_kind_run() -> None:
    assert (await run_job(in_thread, {"word": "w"})).outcome is Outcome.COMPLETED
    assert (await run_job("asyncjobd_handlers.demo:greet", {"to": "you"})).message == "hello, you"


async def test_transaction_without_a_database_is_a_clear_error() -> None:
    with pytest.raises(NeedsDatabase, match=r"deposit asked for a transaction.*: use a Workbench"):
        await run_job(deposit, {"amount": 1})


@pytest.fixture
async def bench(dsn: str) -> AsyncIterator[Workbench]:
    async with Workbench.connect(dsn) as bench:
        bench.serve("Deposit", deposit)
        bench.serve("Thread", in_thread)
        bench.serve("FansOut", fans_out)
        bench.serve("Retries", retries, retry_interval="2 h")
        bench.serve("Blocks", blocks)
        yield bench


async def inserted(bench: Workbench, name: str, params: Any = None, **columns: Any) -> int:
    job_id = await bench.client.insert(
        msgspec.structs.replace(JobBuilder(name).set_params(params).build(), **columns)
    )
    assert job_id is not None
    return job_id


async def test_drain_runs_what_waits_for_jobs_that_end(bench: Workbench, db: Any) -> None:
    await db.execute("create table effect (amount integer)")
    deposits = [JobBuilder("Deposit").set_params({"amount": n}).build() for n in range(5)]
    last = None
    for _ in range(20):
        waits = (
            JobBuilder("Deposit").set_params({"amount": 1}).set_waits_for(None if last is None else [last])
        )
        last, *_ = await bench.client.insert_tree(waits.build(), deposits)
    held = await inserted(bench, "Deposit", {"amount": 1}, status=Status.HOLD)
    waiting = await inserted(bench, "Deposit", {"amount": 1}, waits_for=[held])
    await bench.drain()
    assert await db.fetchval("select sum(amount) from effect") == 20 * (1 + sum(range(5)))
    left = await bench.client.get(waiting)
    assert left is not None
    assert left.status is Status.QUEUED


async def test_drain_runs_what_is_ready_and_what_that_inserts(bench: Workbench, db: Any) -> None:
    await db.execute("create table effect (amount integer)")
    parent = await inserted(bench, "FansOut", {"children": 3})
    await inserted(bench, "Deposit", {"amount": 5})
    other = await inserted(bench, "UnknownNames")
    await bench.drain()
    assert await bench.client.count_children(parent) == {Status.COMPLETED: 3}
    assert await db.fetchval("select sum(amount) from effect") == 5
    left = await bench.client.get(other)
    assert left is not None
    assert left.status is Status.IN_PROGRESS
    assert await db.fetchval("select count(*) from asyncjob.daemon") == 0


async def test_time_moves_for_retried_scheduled_and_recursive_jobs(bench: Workbench, db: Any) -> None:
    retried = await inserted(bench, "Retries", {})
    later = await db.fetchval("select now() + interval '90 minutes'")
    scheduled = await inserted(bench, "Thread", {"word": "w"}, schedule_time=later)
    daily = await inserted(bench, "Retries", {}, is_recursive=True, retry_interval=timedelta(hours=1))

    async def counts() -> list[int]:
        jobs = [await bench.client.get(job_id) for job_id in (retried, scheduled, daily)]
        return [job.execution_total for job in jobs if job is not None]

    await bench.drain()
    assert await counts() == [1, 0, 1]
    await bench.advance(timedelta(hours=1))
    await bench.drain()
    assert await counts() == [1, 0, 2]
    await bench.advance(timedelta(hours=1))
    await bench.drain()
    assert await counts() == [2, 1, 3]


async def test_recursive_job_stays_on_its_grid_when_time_moves(bench: Workbench, db: Any) -> None:
    hourly = await inserted(
        bench, "FansOut", {"children": 0}, is_recursive=True, retry_interval=timedelta(hours=1)
    )
    await bench.drain()
    await bench.advance(timedelta(minutes=90))
    await bench.drain()
    due_in = await db.fetchval("select due_at - now() from asyncjob.job where id = $1", hourly)
    assert timedelta(minutes=29) < due_in <= timedelta(minutes=30)


async def test_rate_and_last_request_move_with_the_time(bench: Workbench, db: Any) -> None:
    bench.serve("Hourly", in_thread, rate="1 per hour", burst=1)
    hour = timedelta(hours=1)
    word = {"word": "w"}
    for _ in range(2):
        await inserted(bench, "Hourly", word)
        await bench.drain()
        await bench.advance(hour)
    asked = JobBuilder("Thread").set_params(word).set_debounce("k", 2 * hour, at_most=2 * hour).build()
    job_id = await bench.client.insert(asked)
    await bench.advance(hour)
    assert await bench.client.insert(asked) == job_id
    await bench.advance(hour)
    await bench.drain()
    assert await db.fetch("select from asyncjob.job where status <> 'Completed'") == []


async def test_codec_of_one_handler_is_not_that_of_the_next(bench: Workbench, db: Any) -> None:
    bench.serve("Decodes", decodes)
    first = await inserted(bench, "Decodes", {"sets": True})
    await inserted(bench, "Decodes", {"sets": False}, waits_for=[first])
    await bench.drain()
    rows = await db.fetch("select result from asyncjob.job order by id")
    assert [row["result"] for row in rows] == ["2", '"[]"']


async def test_job_that_does_not_end_is_named(bench: Workbench) -> None:
    job_id = await inserted(bench, "Blocks")
    with pytest.raises(
        TimeoutError, match=rf"after 1 s there are 1 jobs left: {job_id} \(Blocks, In Progress\)"
    ):
        await bench.drain(timeout=timedelta(seconds=1))
    job = await bench.client.get(job_id)
    assert job is not None
    assert (job.is_running, job.execution_count) == (False, 0)  # handed back


async def test_workbench_backs_off_and_knows_fatal_exceptions(bench: Workbench) -> None:
    bench.serve("Fails", breaks, retry_interval="1 h", retry_backoff=2)
    bench.serve("Ends", breaks, fatal_exceptions=["builtins:ValueError"])
    ids = [await inserted(bench, name) for name in ("Fails", "Ends")]
    await bench.drain()
    await bench.advance(timedelta(hours=1))
    await bench.drain()
    fails, ends = [await bench.client.get(job_id) for job_id in ids]
    assert fails is not None
    assert ends is not None
    assert (ends.status, ends.last_execution_status, ends.execution_count) == (
        Status.FAILED,
        "fatal_error",
        1,
    )
    assert fails.due_at is not None
    assert fails.last_execution_time is not None
    assert fails.execution_count == 2
    assert fails.due_at - fails.last_execution_time == timedelta(hours=2)
    with pytest.raises(LoadError, match="fatal_exceptions: 'builtins:len' is no exception class"):
        bench.serve("Wrong", breaks, fatal_exceptions=["builtins:len"])


async def test_duration_without_a_unit_is_refused_by_the_workbench(bench: Workbench) -> None:
    with pytest.raises(LoadError, match='Slow: timeout: 15 has no unit: write "15 s" or "15 min"'):
        bench.serve("Slow", "asyncjobd_handlers.demo:greet", timeout=15)
    with pytest.raises(TypeError, match=r"write timedelta\(seconds=1\)"):
        await bench.drain(timeout=1)  # type: ignore[arg-type]


async def test_authors_logging_is_left_as_it_is(bench: Workbench, caplog: pytest.LogCaptureFixture) -> None:
    async def logs(params: object, context: Context) -> None:
        logging.getLogger("mine").warning("said by %s", "me")

    bench.serve("Logs", logs)
    await inserted(bench, "Logs")
    await bench.drain()
    assert "said by me" in caplog.messages


def test_fixtures_bring_a_database_to_an_authors_tests(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(AUTHORS_CONFTEST)
    (tmp_path / "test_remind.py").write_text(named("test-of-a-handler").text)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'base'}"],
        capture_output=True, text=True, timeout=100, cwd=tmp_path,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout
