"""Give jobs an order from Django: hold, release, run-now or cancel."""

from django.db import connections
from django.db.models import QuerySet
from django.db.transaction import atomic

from asyncjobd.contrib.django.models import Job
from asyncjobd.contrib.django.schema import schema
from asyncjobd.monitoring.controls import CONTROLS


def order(jobs: QuerySet[Job], name: str, actor: str) -> int:
    """Give the jobs an order: hold, release, run-now or cancel. Return how many it was given to.

    Jobs in a status that it does not apply to, and those that others have locked, are left as they are.

    Args:
        jobs: The jobs.
        name: The order.
        actor: Who gives it; the column ordered_by names them beside the role.
    """
    control = CONTROLS[name]
    with atomic(jobs.db):
        with connections[jobs.db].cursor() as cursor:
            cursor.execute("select set_config(%s, %s, true)", [f"{schema()}.actor", actor])
        fit = jobs.filter(status__in=control.only_from).order_by("id")
        ids = list(fit.select_for_update(skip_locked=True, no_key=True).values_list("id", flat=True))
        return Job.objects.using(jobs.db).filter(id__in=ids).update(status=control.status)
