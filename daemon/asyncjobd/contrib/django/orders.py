"""Give jobs an order from Django: hold, release, run-now or cancel."""

from django.db import DataError, IntegrityError, InternalError, ProgrammingError, connections
from django.db.models import QuerySet
from django.db.transaction import atomic

from asyncjobd.contrib.django.models import Job
from asyncjobd.contrib.django.schema import schema
from asyncjobd.job import Status
from asyncjobd.monitoring.controls import CONTROLS


def order(jobs: QuerySet[Job], name: str, actor: str) -> int:
    """Give the jobs an order: hold, release, run-now or cancel. Return how many it was given to.

    Jobs in a status that it does not apply to, those whose key another one has, those that others have locked,
    and those that PostgreSQL or a trigger refuses to change are left as they are.

    Args:
        jobs: The jobs; the query set may be a slice, distinct or a join.
        name: The order.
        actor: Who gives it; the column ordered_by names them beside the role.
    """
    control = CONTROLS[name]
    database = jobs.select_for_update().db  # where a router writes: that marks the query set as one that does
    with atomic(database):
        with connections[database].cursor() as cursor:
            cursor.execute("select set_config(%s, %s, true)", [f"{schema()}.actor", actor])
        fit = Job.objects.using(database).filter(id__in=jobs.values("id"), status__in=control.only_from)
        locking = fit.order_by("id").select_for_update(skip_locked=True, no_key=True)
        locked = list(locking.values_list("id", flat=True))
        # Once more, as others may have changed them after the look and before the lock
        ids = list(fit.filter(id__in=locked).order_by("id").values_list("id", flat=True))
        return _write(database, ids, control.status)


def _write(database: str, ids: list[int], status: Status) -> int:
    """Write a status to jobs, and return how many have it. Those that are refused are found by halves."""
    try:
        with atomic(database):
            return Job.objects.using(database).filter(id__in=ids).update(status=status)
    except (DataError, IntegrityError, InternalError, ProgrammingError):
        if len(ids) == 1:
            return 0
    middle = len(ids) // 2
    return _write(database, ids[:middle], status) + _write(database, ids[middle:], status)
