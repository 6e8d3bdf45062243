"""A Django task is a job: a real daemon runs it, and get_result says what became of it."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep
from typing import Any

import pytest

from asyncjobd.result import Outcome
from asyncjobd.testing import run_job
from tests.contrib.django_site import use
from tests.support.daemon import DEADLINE, DaemonProcess, write_config


@pytest.fixture(scope="module", autouse=True)
def site(module_dsn: str) -> Iterator[None]:
    use(module_dsn)
    yield
    from django.db import connection

    connection.close()


@pytest.fixture(scope="module")
def daemon(module_dsn: str, site: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    action = {
        "handler": "tests.contrib.shop.jobs:run_task",
        "retry_interval": "1 ms",
        "max_execution_count": 2,
    }
    config = write_config(
        tmp_path_factory.mktemp("daemon"),
        module_dsn,
        {"django-default": action, "django-letters": {**action, "isolation": "process"}},
    )
    with pytest.MonkeyPatch.context() as patch:  # a daemon that is given an environment starts more slowly
        patch.setenv("DATABASE_URL", module_dsn)
        daemon = DaemonProcess(config).ready()
    yield daemon
    DaemonProcess.kill_all()


def finished(result: Any) -> Any:
    """Wait for the end of a task."""
    deadline = monotonic() + DEADLINE
    while not result.is_finished:
        assert monotonic() < deadline, result
        sleep(0.01)
        result.refresh()
    return result


def test_task_returns_a_value(daemon: DaemonProcess) -> None:
    from tests.contrib.shop.tasks import add

    result = finished(add.enqueue(2, b=3))
    assert (result.return_value, result.args, result.kwargs, result.attempts, result.errors) == (
        5, [2], {"b": 3}, 1, [],
    )  # fmt: skip
    assert result.enqueued_at <= result.started_at <= result.finished_at
    assert add.get_result(result.id) == result


def test_coroutine_runs_in_the_process_of_its_queue(daemon: DaemonProcess) -> None:
    from tests.contrib.shop.tasks import post

    result = finished(post.enqueue({"to": "ann", "by": "bob"}))
    assert result.return_value == ["by", "to"]
    assert daemon.wait_for("job.completed", job_id=int(result.id))["job_name"] == "django-letters"


def test_coroutine_reads_on_while_others_begin_and_end(daemon: DaemonProcess) -> None:
    from tests.contrib.shop.tasks import read_while_others_run, server_process

    server_process.enqueue()
    result = finished(read_while_others_run.enqueue())
    assert result.errors == []
    assert result.return_value == 2


def ran(task: Any) -> Any:
    """Run a task in this process, and return what it returned."""
    from tests.contrib.shop.jobs import run_task

    params = {"task": task.module_path, "args": [], "kwargs": {}, "backend": "default"}
    end = asyncio.run(run_job(run_task, params))
    assert end.outcome is Outcome.SUCCESS, end
    return end.result


def test_connection_that_a_coroutine_made_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import connection

    from tests.contrib.shop.tasks import server_process

    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", None)
    made = ran(server_process)
    deadline = monotonic() + DEADLINE
    with connection.cursor() as cursor:
        while cursor.execute("select from pg_stat_activity where pid = %s", [made]).rowcount:
            assert monotonic() < deadline
            sleep(0.01)


def test_times_of_a_task_are_alike_without_time_zones() -> None:
    from django.test import override_settings

    from tests.contrib.shop.tasks import seconds_waited

    with override_settings(USE_TZ=False):
        assert ran(seconds_waited) > 0


def test_task_is_tried_again(daemon: DaemonProcess) -> None:
    from tests.contrib.shop.tasks import attempt

    result = finished(attempt.enqueue(until=2))
    assert (result.return_value, result.attempts) == (2, 2)
    (error,) = result.errors
    assert error.exception_class.__name__ == "Declined"


def test_failed_task_has_its_errors(daemon: DaemonProcess) -> None:
    from tests.contrib.shop.tasks import Declined, attempt

    result = finished(attempt.enqueue(until=9))
    assert result.status == "FAILED"
    with pytest.raises(ValueError, match="Task failed"):
        _ = result.return_value
    assert [error.exception_class for error in result.errors] == [Declined, Declined]
    assert "attempt 2\n  of job" in result.errors[1].traceback


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ("after another", "tests.contrib.shop.tasks.Declined"),
        ("with a traceback in its message", "tests.contrib.shop.tasks.Declined"),
        ("with a traceback in a note", "tests.contrib.shop.tasks.Declined"),
        ("in a group", "builtins.ExceptionGroup"),
    ],
)
def test_error_names_the_exception_of_the_task(daemon: DaemonProcess, how: str, kind: str) -> None:
    from tests.contrib.shop.tasks import fail

    errors = finished(fail.enqueue(how)).errors
    assert [error.exception_class_path for error in errors] == [kind, kind]


def test_failure_before_a_cancellation_is_listed_once(daemon: DaemonProcess) -> None:
    from django.db.transaction import atomic

    from asyncjobd.contrib.django.models import Job
    from asyncjobd.contrib.django.results import TaskEnded
    from tests.contrib.shop.tasks import Declined, attempt

    with atomic():
        result = attempt.enqueue(until=9)
        Job.objects.filter(id=result.id).update(retry_interval=timedelta(hours=1))
    daemon.wait_for("job.retries", job_id=int(result.id))
    Job.objects.filter(id=result.id).update(status="Failed")
    assert [error.exception_class for error in finished(result).errors] == [Declined, TaskEnded]
    assert result.errors[1].traceback == "set to Failed by postgres"


def test_execution_that_ended_in_other_words_is_no_error(daemon: DaemonProcess) -> None:
    from asyncjobd.contrib.django.models import Execution
    from tests.contrib.shop.tasks import attempt

    result = attempt.enqueue(until=9)
    assert len(finished(result).errors) == 2
    Execution.objects.filter(job=result.id).update(status="abgebrochen")
    result.refresh()
    assert len(result.errors) == 1


def test_cancelled_task_has_failed(daemon: DaemonProcess) -> None:
    from asyncjobd.contrib.django.models import Job
    from asyncjobd.contrib.django.results import TaskEnded
    from tests.contrib.shop.tasks import add

    result = add.using(run_after=datetime(2040, 1, 2, tzinfo=UTC)).enqueue(1, 2)
    Job.objects.filter(id=result.id).update(status="Failed")
    (error,) = finished(result).errors
    assert (error.exception_class, error.traceback) == (TaskEnded, "set to Failed by postgres")


def test_task_is_enqueued_by_its_transaction() -> None:
    from django.db.transaction import atomic, set_rollback

    from asyncjobd.contrib.django.compat import TaskResultDoesNotExist
    from tests.contrib.shop.tasks import add, post

    with atomic():
        taken_back = add.enqueue(1, 2)
        set_rollback(True)
    with pytest.raises(TaskResultDoesNotExist):
        add.get_result(taken_back.id)
    for no_id in ("", "x", "-1", "9" * 19, "9" * 30, "9" * 5_000):
        with pytest.raises(TaskResultDoesNotExist):
            post.get_result(no_id)


def test_priority_queue_and_time_are_columns() -> None:
    from asyncjobd.contrib.django.models import Job
    from tests.contrib.shop.tasks import post

    at = datetime(2040, 1, 2, tzinfo=UTC)
    result = post.using(priority=7, run_after=at).enqueue({})
    job = Job.objects.get(id=result.id)
    assert (job.job_name, job.priority, job.schedule_time, job.status) == ("django-letters", -7, at, "Queued")
    again = post.get_result(result.id)
    assert (again.status, again.task) == ("READY", post.using(priority=7, run_after=at))
    assert (again.started_at, again.finished_at) == (None, None)


def test_result_has_what_its_backend_would_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    from asyncjobd.contrib.django.models import Job
    from tests.contrib.shop.tasks import add, post

    result = add.using(queue_name="letters", run_after=datetime(2040, 1, 2, tzinfo=UTC)).enqueue(1, 2)
    Job.objects.filter(id=result.id).update(priority=-1000)
    monkeypatch.setattr(post.get_backend(), "queues", {"default"})
    task = add.get_result(result.id).task
    assert (task.priority, task.queue_name) == (1000, "letters")


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ([1], "Expected `object`, got `array`"),
        ({"task": "shop.renamed", "args": [], "kwargs": {}, "backend": "default"}, "No module named 'shop'"),
        ({"task": "os.path.join", "args": [], "kwargs": {}, "backend": "default"}, "is not a Task"),
    ],
)
def test_job_that_is_no_task_has_no_result(params: Any, why: str) -> None:
    from asyncjobd.contrib.django.compat import TaskResultDoesNotExist
    from asyncjobd.contrib.django.models import Job
    from tests.contrib.shop.tasks import add

    job = Job.objects.create(job_name="django-default", params=params, status="Hold")
    with pytest.raises(TaskResultDoesNotExist, match=f"job {job.id} is no task: .*{why}"):
        add.get_result(str(job.id))


@pytest.mark.anyio
async def test_task_is_enqueued_by_a_coroutine(daemon: DaemonProcess) -> None:
    from tests.contrib.shop.tasks import add

    result = await add.aenqueue(1, 2)
    assert (await add.aget_result(result.id)).task.func == add.func
