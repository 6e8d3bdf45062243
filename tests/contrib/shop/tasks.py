"""Tasks of every kind."""

import asyncio
from traceback import format_exc
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connection

from asyncjobd.contrib.django.compat import TaskContext, task
from asyncjobd.contrib.django.models import Job


class Declined(Exception):
    pass


@task
def add(a: int, b: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute("select %s + %s", [a, b])
        return int(cursor.fetchone()[0])


@task(queue_name="letters", priority=5)
async def post(letter: dict[str, Any]) -> list[str]:
    await asyncio.sleep(0)
    return sorted(letter)


@task(takes_context=True)
def attempt(context: TaskContext, until: int) -> int:
    if context.attempt < until:
        raise Declined(f"attempt {context.attempt}\n  of job {context.task_result.id}\nno: more")
    return context.attempt


@task
def fail(how: str) -> None:
    declined = Declined("no:\nmore")
    try:
        int("no number")
    except ValueError as error:
        match how:
            case "after another":
                raise declined from error
            case "with a traceback in its message":
                raise Declined(format_exc()) from None
            case "with a traceback in a note":
                declined.add_note(format_exc())
                raise declined from None
            case "in a group":
                raise ExceptionGroup("no:\nmore", [declined, error]) from error


@task
async def server_process() -> int:
    """Return the pid of the server process that its connection has."""

    def asked() -> int:
        with connection.cursor() as cursor:
            cursor.execute("select pg_backend_pid()")
            return int(cursor.fetchone()[0])

    return await sync_to_async(asked)()


@task
async def read_while_others_run() -> int:
    """Read two jobs, and wait for another task after each."""
    count = 0
    async for _ in Job.objects.only("id")[:2].aiterator(chunk_size=1):
        count += 1
        other = await server_process.aenqueue()
        while not other.is_finished:
            await asyncio.sleep(0.01)
            await other.arefresh()
    return count


@task(takes_context=True)
def seconds_waited(context: TaskContext) -> float:
    result = context.task_result
    assert result.started_at
    assert result.enqueued_at
    return (result.started_at - result.enqueued_at).total_seconds()
