"""Executions as spans of OpenTelemetry, in the trace of whoever asked for the job."""

import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from asyncjobd import Client, JobBuilder, NewJob
from tests.conftest import NewDaemon
from tests.observability import tracing_handlers
from tests.support.actions import actions_of
from tests.support.daemon import DEADLINE, DaemonProcess
from tests.support.jobs import Connection, insert, row, set_status, settled, unowned

pytestmark = pytest.mark.anyio

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
ACTIONS = actions_of(tracing_handlers, max_execution_count=1)
TRACED = ["asyncjobd_handlers.opentelemetry:trace"]

# of a program that is traced
ACTIVE = NonRecordingSpan(SpanContext(int(TRACE, 16), int(SPAN, 16), False, TraceFlags(1)))

Span = dict[str, Any]
SpanOf = Callable[[int], Span]


@pytest.fixture
async def client(dsn: str) -> AsyncIterator[Client]:
    async with Client.connect(dsn) as client:
        yield client


@pytest.fixture
def traced(start_daemon: NewDaemon, tmp_path: Path) -> DaemonProcess:
    return start_daemon(actions=ACTIONS, hooks=TRACED, environment={"SPANS": str(tmp_path / "spans")}).ready()


@pytest.fixture
def span_of(traced: DaemonProcess, tmp_path: Path) -> SpanOf:
    """Wait for the span of a job's only execution."""

    def find(job_id: int) -> Span:
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            for line in (
                (tmp_path / "spans").read_text().splitlines() if (tmp_path / "spans").exists() else ()
            ):
                span: Span = json.loads(line)
                if span["attributes"].get("messaging.message.id") == str(job_id):
                    return span
            time.sleep(0.01)
        raise AssertionError(f"no span of job {job_id}")

    return find


async def test_each_execution_has_a_span(db: Connection, span_of: SpanOf) -> None:
    job = await settled(db, await insert(db, "succeeds", parent_id="7"))
    span = span_of(job["id"])
    assert (span["name"], span["kind"], span["parent_id"], span["links"]) == (
        "process succeeds", "SpanKind.CONSUMER", None, [],
    )  # fmt: skip
    assert span["attributes"].pop("asyncjobd.waited") >= 0
    assert span["attributes"] == {
        "messaging.system": "asyncjobd",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "succeeds",
        "messaging.message.id": str(job["id"]),
        "asyncjobd.execution_count": 1,
        "asyncjobd.execution_total": 1,
        "asyncjobd.max_execution_count": 1,
        "asyncjobd.parent_id": 7,
        "asyncjobd.outcome": "success",
    }
    assert [event["name"] for event in span["events"]] == ["in the thread"]
    assert span["status"]["status_code"] == "UNSET"


async def test_failed_execution_is_an_error_in_its_span(db: Connection, span_of: SpanOf) -> None:
    span = span_of((await settled(db, await insert(db, "fails")))["id"])
    assert span["status"] == {"status_code": "ERROR", "description": "not today"}
    assert (span["attributes"]["asyncjobd.outcome"], span["attributes"]["error.type"]) == ("failed", "failed")


async def test_exception_of_a_handler_is_recorded_in_its_span(db: Connection, span_of: SpanOf) -> None:
    span = span_of((await settled(db, await insert(db, "raises")))["id"])
    assert span["status"] == {"status_code": "ERROR", "description": "KeyError: 'the reason'"}
    assert (span["attributes"]["asyncjobd.outcome"], span["attributes"]["error.type"]) == (
        "failed",
        "KeyError",
    )
    (event,) = span["events"]
    assert (event["name"], event["attributes"]["exception.type"]) == ("exception", "KeyError")


async def test_timeout_is_an_error_in_its_span(db: Connection, span_of: SpanOf) -> None:
    span = span_of((await settled(db, await insert(db, "blocks", timeout="interval '50 ms'")))["id"])
    assert (span["status"]["status_code"], span["attributes"]["error.type"], span["events"]) == (
        "ERROR",
        "timeout",
        [],
    )


async def test_stopped_execution_is_no_error_in_its_span(
    db: Connection, traced: DaemonProcess, span_of: SpanOf
) -> None:
    job_id = await insert(db, "blocks")
    traced.wait_for("job.started", job_id=job_id)
    await set_status(db, job_id, "Hold")
    await unowned(db, job_id, "Hold")
    span = span_of(job_id)
    assert (span["status"]["status_code"], span["attributes"]["asyncjobd.outcome"], span["events"]) == (
        "UNSET",
        "stopped",
        [],
    )


async def test_client_job_and_child_are_one_trace(
    db: Connection, client: Client, traced: DaemonProcess, span_of: SpanOf, tmp_path: Path
) -> None:
    with use_span(ACTIVE):
        job_id = await client.insert(JobBuilder("has_child").set_params({"child": "succeeds"}).build())
    assert job_id is not None
    assert (await row(db, job_id))["traceparent"] == TRACEPARENT
    parent = span_of((await settled(db, job_id))["id"])
    child = span_of(await db.fetchval("select id from asyncjob.job where parent_id = $1", job_id))
    spans = [json.loads(line) for line in (tmp_path / "spans").read_text().splitlines()]
    (inside,) = [span for span in spans if span["name"] == "in the handler"]
    ids = [span["context"]["trace_id"] for span in (parent, inside, child)]
    assert ids == [f"0x{TRACE}"] * 3
    assert (parent["parent_id"], inside["parent_id"]) == (f"0x{SPAN}", parent["context"]["span_id"])
    assert child["parent_id"] == inside["context"]["span_id"]
    assert [link["context"]["span_id"] for link in parent["links"]] == [f"0x{SPAN}"]


async def test_recursive_job_begins_a_trace_with_each_execution(db: Connection, span_of: SpanOf) -> None:
    columns = {
        "is_recursive": "true",
        "retry_interval": "interval '1 hour'",
        "traceparent": f"'{TRACEPARENT}'",
    }
    span = span_of((await unowned(db, await insert(db, "succeeds", **columns), "Queued"))["id"])
    assert span["parent_id"] is None and span["context"]["trace_id"] != f"0x{TRACE}"
    assert [link["context"]["trace_id"] for link in span["links"]] == [f"0x{TRACE}"]


async def test_malformed_traceparent_is_ignored(db: Connection, span_of: SpanOf) -> None:
    malformed = ("", "nonsense", f"00-{'0' * 32}-{SPAN}-01", f"ff-{TRACE}-{SPAN}-01", "é\t" * 10_000)
    for text in malformed:
        job_id = await db.fetchval(
            "insert into asyncjob.job (job_name, traceparent) values ('succeeds', $1) returning id", text
        )
        assert (await settled(db, job_id))["status"] == "Completed"
        span = span_of(job_id)
        assert (span["parent_id"], span["links"]) == (None, []), text[:50]


async def test_daemon_without_tracing_passes_the_traceparent_to_children(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(actions=ACTIONS).ready()
    job_id = await insert(db, "has_child", '{"child": "succeeds"}', traceparent=f"'{TRACEPARENT}'")
    await settled(db, job_id)
    assert (
        await db.fetchval("select traceparent from asyncjob.job where parent_id = $1", job_id) == TRACEPARENT
    )


async def test_insert_many_adds_the_active_span_to_jobs_without_a_traceparent(
    db: Connection, client: Client
) -> None:
    other = f"00-{TRACE}-{'1' * 16}-00"
    with use_span(ACTIVE):
        await client.insert_many([NewJob(job_name="x"), JobBuilder("x").set_traceparent(other).build()])
    inserted = await db.fetch("select traceparent from asyncjob.job order by id")
    assert [traceparent for (traceparent,) in inserted] == [TRACEPARENT, other]


async def test_job_inserted_without_an_active_span_has_no_traceparent(db: Connection, client: Client) -> None:
    assert isinstance(trace.get_current_span(), NonRecordingSpan)
    await client.insert(JobBuilder("x").build())
    await client.insert_many([NewJob(job_name="x")])
    assert await db.fetchval("select count(traceparent) from asyncjob.job") == 0


async def test_client_may_set_the_traceparent_of_an_existing_job(db: Connection) -> None:
    job_id = await insert(db, "x")
    await db.execute("update asyncjob.job set traceparent = $2 where id = $1", job_id, TRACEPARENT)
    await db.copy_records_to_table(
        "job", schema_name="asyncjob", columns=["job_name", "traceparent"], records=[("x", TRACEPARENT)]
    )
    assert await db.fetchval("select count(traceparent) from asyncjob.job") == 2


def test_programs_without_opentelemetry_do_not_load_it() -> None:
    script = "import sys, asyncjobd, asyncjobd.engine.daemon; print(any('opentelemetry' in name for name in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.returncode) == ("False\n", 0), ran.stderr
