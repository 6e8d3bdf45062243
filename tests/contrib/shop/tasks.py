"""Tasks of every kind."""

import asyncio
from typing import Any

from django.db import connection

from asyncjobd.contrib.django.compat import TaskContext, task


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
