"""A backend of Django's Tasks: each task that is enqueued is a job, in the transaction of Django's connection.

    TASKS = {"default": {"BACKEND": "asyncjobd.contrib.django.tasks.AsyncjobdBackend"}}

A queue is an action: the tasks of the queue "default" are jobs of the name "django-default".
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from typing import Any

import msgspec
from django.apps import apps
from django.core import checks
from django.db import DEFAULT_DB_ALIAS
from django.utils import timezone
from django.utils.module_loading import import_string

from asyncjobd.builder import JobBuilder
from asyncjobd.contrib.django.compat import (
    BaseTaskBackend,
    Task,
    TaskResult,
    TaskResultDoesNotExist,
    TaskResultStatus,
    normalize_json,
    task_enqueued,
)
from asyncjobd.contrib.django.insertion import enqueue

PREFIX = "django-"
ID = re.compile(r"[0-9]{1,19}")  # a longer one is no bigint


class TaskParams(msgspec.Struct):
    """The params of a job that is a task: its path, what it is called with, and its backend's alias."""

    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    backend: str

    def load(self, **attributes: Any) -> "Task[..., Any]":
        """Import the task, and return it with these attributes. Raise ImportError, or TypeError if it is none."""
        task = import_string(self.task)
        if not isinstance(task, Task):
            raise TypeError(f"{self.task} is not a Task: decorate it with @task")
        task = copy(task)  # `using` would refuse a priority that SQL has set, or a queue of earlier settings
        for name, value in {"backend": self.backend, **attributes}.items():
            object.__setattr__(task, name, value)
        return task


class AsyncjobdBackend(BaseTaskBackend):
    """Django's Tasks on asyncjobd. OPTIONS: `database`, the alias of the one that the jobs are in."""

    supports_async_task = True
    supports_get_result = True
    supports_defer = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        self.database: str = self.options.get("database", DEFAULT_DB_ALIAS)

    def enqueue(
        self, task: "Task[..., Any]", args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> "TaskResult[Any]":
        """Insert the job of a task; it exists once the transaction of Django's connection commits."""
        self.validate_task(task)
        params = TaskParams(task.module_path, normalize_json(args), normalize_json(kwargs), self.alias)
        builder = JobBuilder(PREFIX + task.queue_name).set_params(params)
        # Django's highest priority starts first, and the table's lowest
        builder.set_priority(-task.priority).set_schedule_time(_aware(task.run_after))
        result: TaskResult[Any] = TaskResult(
            task=task, id=str(enqueue(builder.build(), using=self.database)), status=TaskResultStatus.READY,
            enqueued_at=timezone.now(), started_at=None, last_attempted_at=None, finished_at=None,
            args=params.args, kwargs=params.kwargs, backend=self.alias, errors=[], worker_ids=[],
        )  # fmt: skip
        task_enqueued.send(type(self), task_result=result)
        return result

    def get_result(self, result_id: str) -> "TaskResult[Any]":
        """Return the state of a task as its job has it. Raise TaskResultDoesNotExist if there is no such task."""
        from asyncjobd.contrib.django.models import Job  # tasks may be defined before the models are loaded
        from asyncjobd.contrib.django.results import result_of

        jobs = Job.objects.using(self.database).filter(job_name__startswith=PREFIX)
        job = jobs.filter(id=result_id).first() if ID.fullmatch(result_id) else None
        if job is None:
            raise TaskResultDoesNotExist(result_id)
        return result_of(job)

    def check(self, **kwargs: Any) -> Iterable[checks.CheckMessage]:
        """Return what is wrong with the settings."""
        yield from super().check(**kwargs)
        if not apps.is_installed("asyncjobd.contrib.django"):
            yield checks.Error(
                f"TASKS[{self.alias!r}] needs the models of asyncjobd to read results.",
                hint="Insert 'asyncjobd.contrib.django' in INSTALLED_APPS.",
                id="asyncjobd.E001",
            )


def _aware(time: Any) -> Any:
    """Return a time with its zone, which it lacks where USE_TZ is off."""
    return timezone.make_aware(time) if time is not None and timezone.is_naive(time) else time
