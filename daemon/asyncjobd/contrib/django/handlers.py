"""The handler that runs Django's Tasks. Each queue is an action:

    [actions.django-default]
    handler = "asyncjobd.contrib.django.handlers:run_task"

Its daemon needs DJANGO_SETTINGS_MODULE in the environment, and the project in `handler_path`.
"""

from collections.abc import Coroutine
from datetime import UTC, datetime
from inspect import iscoroutinefunction
from typing import Any

import django
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.apps import apps
from django.conf import settings
from django.db import close_old_connections, connections
from django.utils import timezone

if not apps.ready:
    django.setup()

from asyncjobd.context import Context
from asyncjobd.contrib.django.compat import (
    Task,
    TaskContext,
    TaskResult,
    TaskResultStatus,
    normalize_json,
    task_finished,
    task_started,
)
from asyncjobd.contrib.django.tasks import TaskParams
from asyncjobd.result import JobResult


def run_task(params: TaskParams, context: Context) -> Any:
    """Run a Django task: in this thread or, if it is a coroutine function, on the daemon's loop.

    What it returns is the result of the job; an exception counts as `failed`, and is tried again as the action says.
    """
    task = params.load()
    result = _running_result(task, params, context)
    arguments = [TaskContext(task_result=result), *params.args] if task.takes_context else params.args
    if iscoroutinefunction(task.func):
        return _run_on_loop(result, task.func(*arguments, **params.kwargs))
    close_old_connections()
    try:
        task_started.send(_sender(result), task_result=result)
        try:
            returned = normalize_json(task.func(*arguments, **params.kwargs))
        except Exception:
            _end(result, TaskResultStatus.FAILED)
            task_finished.send(_sender(result), task_result=result)
            raise
        _end(result, TaskResultStatus.SUCCESSFUL, returned)
        task_finished.send(_sender(result), task_result=result)
    finally:
        close_old_connections()
    return JobResult.success(result=returned)


async def _run_on_loop(result: "TaskResult[Any]", call: Coroutine[Any, Any, Any]) -> JobResult:
    """Run a coroutine with a thread for its queries, as Django does: a thread has connections of its own."""
    async with ThreadSensitiveContext():
        try:
            await task_started.asend(_sender(result), task_result=result)
            try:
                returned = normalize_json(await call)
            except Exception:
                _end(result, TaskResultStatus.FAILED)
                await task_finished.asend(_sender(result), task_result=result)
                raise
            _end(result, TaskResultStatus.SUCCESSFUL, returned)
            await task_finished.asend(_sender(result), task_result=result)
        finally:
            await sync_to_async(connections.close_all)()  # whatever CONN_MAX_AGE says, as the thread ends
    return JobResult.success(result=returned)


def _running_result(task: "Task[..., Any]", params: TaskParams, context: Context) -> "TaskResult[Any]":
    """Return the result of a task that begins, as its own context and the signals have it."""
    now = timezone.now()
    return TaskResult(
        task=task,
        id=str(context.job.id),
        status=TaskResultStatus.RUNNING,
        enqueued_at=datetime.fromtimestamp(context.job.created_at, UTC if settings.USE_TZ else None),
        started_at=now,
        last_attempted_at=now,
        finished_at=None,
        args=params.args,
        kwargs=params.kwargs,
        backend=params.backend,
        errors=[],
        worker_ids=[""] * context.job.execution_total,
    )


def _sender(result: "TaskResult[Any]") -> type[Any]:
    return type(result.task.get_backend())


def _end(result: "TaskResult[Any]", status: TaskResultStatus, returned: Any = None) -> None:
    """Write how it ended into the frozen result, as Django's own backends do."""
    for name, value in {"status": status, "finished_at": timezone.now(), "_return_value": returned}.items():
        object.__setattr__(result, name, value)
