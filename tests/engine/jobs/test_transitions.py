"""Transitions after an execution: every cell of the table, by plain SQL, with a real daemon at work."""

import asyncio
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncjobd.engine.jobs.transitions import next_transition
from asyncjobd.job import Status
from asyncjobd.result import Outcome
from tests.support.actions import COMMON, Actions, action
from tests.support.daemon import DEADLINE, DaemonProcess
from tests.support.handlers import answer
from tests.support.jobs import Connection, executions, insert, settled, unowned, until

pytestmark = pytest.mark.anyio

RECURSIVE = {"is_recursive": "true", "retry_interval": "interval '1 hour'"}
LIMITED = {"timeout": "interval '50 ms'"}


@pytest.fixture(scope="module")
def actions() -> Actions:
    return COMMON | {"counted": action(answer)}


@pytest.fixture
def dsn(module_dsn: str) -> str:
    return module_dsn


@pytest.fixture
def daemon(module_daemon: DaemonProcess) -> DaemonProcess:
    return module_daemon


async def ask(db: Connection, answers: str | list[str], job_name: str = "answer", **columns: str) -> int:
    params = {"answers": [answers] if isinstance(answers, str) else answers}
    return await insert(db, job_name, json.dumps(params), **columns)


# --- one-shot


@pytest.mark.parametrize("outcome", ["success", "completed"])
async def test_one_shot_that_succeeds_is_completed(
    db: Connection, daemon: DaemonProcess, outcome: str
) -> None:
    job = await settled(db, await ask(db, outcome))
    assert (job["status"], job["last_execution_status"], job["progress"]) == ("Completed", outcome, 1)
    assert job["started_at"] <= job["last_execution_time"] == job["finished_at"]
    ended = daemon.wait_for("job.completed", job_id=job["id"])
    assert (ended["status"], ended["execution_count"], ended["job_name"]) == ("Completed", 1, "answer")
    assert {"duration", "waited"} <= ended.keys()


async def test_retry_later_is_due_after_what_it_asked_for(db: Connection, daemon: DaemonProcess) -> None:
    job = await settled(db, await ask(db, ["retry_soon", "success"]))
    assert (job["status"], job["execution_count"]) == ("Completed", 2)
    assert [e["status"] for e in await executions(db, job["id"])] == ["retry_later"]


async def test_retry_later_without_a_time_is_due_in_retry_interval(
    db: Connection, daemon: DaemonProcess
) -> None:
    job = await unowned(db, await ask(db, "retry_later"), "Queued")
    assert job["due_at"] - job["last_execution_time"] == timedelta(minutes=15)


@pytest.mark.parametrize("outcome", ["failed", "exception", "timeout"])
async def test_failure_is_due_again_in_retry_interval(
    db: Connection, daemon: DaemonProcess, outcome: str
) -> None:
    job = await unowned(
        db, await ask(db, outcome, retry_interval="interval '7 minutes'", **LIMITED), "Queued"
    )
    assert job["due_at"] - job["last_execution_time"] == timedelta(minutes=7)
    assert (job["execution_count"], job["max_execution_count"]) == (1, 5)
    (execution,) = await executions(db, job["id"])
    assert execution["status"] == {"exception": "failed"}.get(outcome, outcome)


@pytest.mark.parametrize("outcome", ["retry_later", "failed", "exception", "timeout"])
async def test_failure_at_max_execution_count_ends_failed(
    db: Connection, daemon: DaemonProcess, outcome: str
) -> None:
    columns = {"retry_interval": "interval '1 ms'", "max_execution_count": "2", **LIMITED}
    job = await settled(db, await ask(db, outcome, **columns))
    assert (job["status"], job["execution_count"], job["execution_total"]) == ("Failed", 2, 2)
    assert len(await executions(db, job["id"])) == 1
    daemon.wait_for("job.failed", job_id=job["id"])


async def test_fatal_error_is_failed_at_once(db: Connection, daemon: DaemonProcess) -> None:
    job = await settled(db, await ask(db, "fatal_error"))
    assert (job["status"], job["execution_count"]) == ("Failed", 1)


# --- recursive


async def test_recursive_that_succeeds_waits_for_its_next_time(db: Connection, daemon: DaemonProcess) -> None:
    job = await unowned(db, await ask(db, "success", **RECURSIVE), "Queued")
    assert job["due_at"] - job["schedule_time"] == timedelta(hours=1)
    assert (job["execution_count"], job["execution_total"]) == (0, 1)
    assert (
        job["schedule_time"] == job["started_at"]
    )  # there was no time: the grid begins with the first start


async def test_recursive_that_completed_ends_its_repetition(db: Connection, daemon: DaemonProcess) -> None:
    assert (await settled(db, await ask(db, "completed", **RECURSIVE)))["status"] == "Completed"


async def test_recursive_retry_later_is_due_after_what_it_asked_for(
    db: Connection, daemon: DaemonProcess
) -> None:
    job_id = await ask(db, ["retry_soon", "success"], **RECURSIVE)
    job = await until(db, job_id, lambda r: r["execution_total"] == 2 and r["daemon_id"] is None)
    assert (job["status"], job["execution_count"]) == ("Queued", 0)


async def test_recursive_retry_later_at_max_execution_count_waits_for_the_next_time(
    db: Connection, daemon: DaemonProcess
) -> None:
    job_id = await ask(db, "retry_soon", max_execution_count="2", **RECURSIVE)
    job = await until(db, job_id, lambda r: r["execution_total"] == 2 and r["daemon_id"] is None)
    assert (job["status"], job["execution_count"]) == ("Queued", 0)
    assert job["due_at"] - job["schedule_time"] == timedelta(hours=1)


@pytest.mark.parametrize("outcome", ["failed", "exception", "timeout"])
async def test_recursive_failure_goes_on_to_the_next_time(
    db: Connection, daemon: DaemonProcess, outcome: str
) -> None:
    job = await unowned(db, await ask(db, outcome, max_execution_count="1", **RECURSIVE, **LIMITED), "Queued")
    assert job["due_at"] - job["schedule_time"] == timedelta(hours=1)
    assert job["last_execution_status"] == {"exception": "failed"}.get(outcome, outcome)


async def test_recursive_failure_is_logged_and_counted(db: Connection, daemon: DaemonProcess) -> None:
    """Such a row is never Failed, so nothing else shows that a nightly job fails every night."""
    job_id = await ask(db, "exception", "counted", **RECURSIVE)
    told = daemon.wait_for("job.repeats", job_id=job_id)
    assert (told["level"], told["traceback"].splitlines()[-1]) == ("warning", "RuntimeError: as asked")
    counts: dict[str, int] = {}
    async with asyncio.timeout(DEADLINE):
        while not sum(counts.values()):
            figures = await db.fetchval("select metrics #>> '{actions,counted}' from asyncjob.daemon")
            counts = {
                key: value
                for key, value in json.loads(figures or "{}").items()
                if key in {"failed", "repeated"}
            }
    assert counts == {"failed": 1, "repeated": 0}


async def test_recursive_fatal_error_ends_its_repetition(db: Connection, daemon: DaemonProcess) -> None:
    assert (await settled(db, await ask(db, "fatal_error", **RECURSIVE)))["status"] == "Failed"


async def test_recursive_neither_drifts_nor_storms_after_an_outage(
    db: Connection, daemon: DaemonProcess
) -> None:
    columns = RECURSIVE | {"schedule_time": "now() - interval '10 hours 20 minutes'"}
    job_id = await ask(db, "success", **columns)
    job = await unowned(db, job_id, "Queued")
    assert job["due_at"] - job["schedule_time"] == timedelta(hours=11)
    assert job["execution_total"] == 1
    assert daemon.wait_for("job.repeats", job_id=job_id)["skipped"] == 10


async def test_recursive_runs_again_and_again(db: Connection, daemon: DaemonProcess) -> None:
    job_id = await ask(
        db, ["success", "success", "completed"], is_recursive="true", retry_interval="interval '150 ms'"
    )
    job = await settled(db, job_id)
    assert job["execution_total"] == 3
    assert job["started_at"] >= job["schedule_time"] + timedelta(milliseconds=300)


# --- the pure function

OUTCOMES = st.sampled_from([outcome for outcome in Outcome if outcome is not Outcome.LOST])
AFTER = st.none() | st.timedeltas(min_value=timedelta(0))


@given(OUTCOMES, st.booleans(), st.booleans(), AFTER)
def test_transition_repeats_recursive_jobs_only(
    outcome: Outcome, is_recursive: bool, is_last: bool, after: timedelta
) -> None:
    following = next_transition(outcome, is_recursive=is_recursive, is_last=is_last, after=after)
    assert not following.on_grid or (is_recursive and following.status is Status.QUEUED)
    assert following.status is not Status.HOLD


@given(OUTCOMES, AFTER)
def test_transition_ends_a_one_shot_at_its_max_execution_count(outcome: Outcome, after: timedelta) -> None:
    following = next_transition(outcome, is_recursive=False, is_last=True, after=after)
    assert following.status.is_final or outcome is Outcome.STOPPED


@given(OUTCOMES, st.booleans(), st.booleans(), AFTER)
def test_transition_ends_every_job_on_completed_and_fatal_error(
    outcome: Outcome, is_recursive: bool, is_last: bool, after: timedelta
) -> None:
    following = next_transition(outcome, is_recursive=is_recursive, is_last=is_last, after=after)
    if outcome in {Outcome.COMPLETED, Outcome.FATAL_ERROR}:
        assert following.status is (Status.COMPLETED if outcome is Outcome.COMPLETED else Status.FAILED)
    if following.after is not None:
        assert (outcome, following.after) == (Outcome.RETRY_LATER, after)


def test_transition_of_a_lost_execution_is_refused() -> None:
    with pytest.raises(ValueError, match="lost daemon"):
        next_transition(Outcome.LOST, is_recursive=False, is_last=False)
