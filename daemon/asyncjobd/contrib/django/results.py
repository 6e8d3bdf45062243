"""Read the result of a task from the row of its job."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from asyncjobd.contrib.django.compat import TaskError, TaskResult, TaskResultDoesNotExist, TaskResultStatus
from asyncjobd.contrib.django.models import Execution, Job
from asyncjobd.contrib.django.tasks import PREFIX, TaskParams
from asyncjobd.job import Status
from asyncjobd.result import Outcome

# Separates the tracebacks of a chain.
LINK = re.compile(
    r"\n\n(?:During handling of the above exception, another exception occurred"
    r"|The above exception was the direct cause of the following exception):\n\n(?=Traceback|  \+)"
)
MARGIN = re.compile(r"^  [|+] ", re.MULTILINE)  # of an exception group
# The first line after the frames begins with the exception's class
EXCEPTION = re.compile(r"(?:Exception Group )?Traceback \(most recent call last\):\n(?: .*\n)+([\w.<>]+)")
FAILURES = {outcome.value for outcome in Outcome if outcome.is_failure} | {Outcome.LOST.value}


class TaskEnded(Exception):
    """Stands for the exception of a task that raised none, as it was cancelled, timed out, or was lost."""


def result_of(job: Job) -> "TaskResult[Any]":
    """Return the result of the task that a job is. Raise TaskResultDoesNotExist if the job is no task."""
    try:
        params = msgspec.convert(job.params, TaskParams)
        task = params.load(
            priority=-job.priority, queue_name=job.job_name.removeprefix(PREFIX), run_after=job.schedule_time
        )
    except (msgspec.ValidationError, ImportError, TypeError) as error:
        raise TaskResultDoesNotExist(f"job {job.id} is no task: {error}") from error
    executions = list(Execution.objects.using(job._state.db).filter(job=job))
    status = _status(job)
    is_ended = status in {TaskResultStatus.SUCCESSFUL, TaskResultStatus.FAILED}
    daemons = {each.number: str(each.daemon_id or "") for each in executions}
    daemons.setdefault(job.execution_total, str(job.daemon_id or ""))
    result: TaskResult[Any] = TaskResult(
        task=task,
        id=str(job.id),
        status=status,
        enqueued_at=job.created_at,
        started_at=executions[0].started_at if executions else job.started_at,
        last_attempted_at=job.started_at,
        finished_at=job.finished_at if is_ended else None,
        args=params.args,
        kwargs=params.kwargs,
        backend=params.backend,
        errors=list(_errors(job, executions)),
        worker_ids=[daemons.get(number, "") for number in range(1, job.execution_total + 1)],
    )
    if status == TaskResultStatus.SUCCESSFUL:
        object.__setattr__(result, "_return_value", job.result)  # as Django's own backends do
    return result


def _status(job: Job) -> TaskResultStatus:
    if job.daemon_id is not None:
        return TaskResultStatus.RUNNING
    match Status(job.status):
        case Status.COMPLETED:
            return TaskResultStatus.SUCCESSFUL
        case Status.FAILED:
            return TaskResultStatus.FAILED
        case _:
            return TaskResultStatus.READY


def _errors(job: Job, executions: list[Execution]) -> Iterator[TaskError]:
    for each in executions:
        if each.status in FAILURES:  # history that a client has written may have any other word
            yield _error(each.traceback or each.message)
    if _status(job) is TaskResultStatus.FAILED:  # not while it is being stopped
        # The traceback is of an execution that is listed already if the job was cancelled after that
        is_listed = any(each.number == job.execution_total for each in executions)
        yield _error(job.message if is_listed else job.traceback or job.message)


def _error(text: str | None) -> TaskError:
    text = text or ""
    found = EXCEPTION.match(MARGIN.sub("", LINK.split(text)[-1]))
    name = f"{TaskEnded.__module__}.{TaskEnded.__qualname__}" if found is None else found[1]
    return TaskError(exception_class_path=name if "." in name else f"builtins.{name}", traceback=text)
