"""Insert jobs in the transaction of Django's connection."""

from collections.abc import Sequence
from contextlib import nullcontext

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.transaction import atomic

from asyncjobd.contrib.django.schema import schema
from asyncjobd.insertion import Ids, insertions
from asyncjobd.job import NewJob
from asyncjobd.postgres.statement import Style


def enqueue(job: NewJob, *, using: str = DEFAULT_DB_ALIAS) -> int | None:
    """Insert a job and return its id; None if its unique_key or its once_key is taken.

    With a debounce_key it is the id of the job that waits. Inside `atomic` the job exists once that commits. Raise
    ValueError where keys do not go together, and django.db.DatabaseError where PostgreSQL refuses the job.

    Args:
        job: The job.
        using: The alias of the database that the jobs are in.
    """
    return enqueue_many([job], using=using)[0]


def enqueue_many(jobs: Sequence[NewJob], *, using: str = DEFAULT_DB_ALIAS) -> Ids:
    """Insert all jobs or none, and return what `enqueue` does for each, in their order."""
    statements = list(insertions(jobs))
    ids: Ids = [None] * len(jobs)
    with (
        atomic(using) if len(statements) > 1 else nullcontext(),
        connections[using].cursor() as cursor,
    ):
        for each in statements:
            cursor.execute(each.sql(schema(), Style.PYFORMAT), each.arguments)
            names = [column[0] for column in cursor.description]
            each.put_ids([dict(zip(names, row, strict=True)) for row in cursor.fetchall()], ids)
    return ids
