"""The jobs in Django's admin: to look at, and to hold, release, run or cancel."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db import DatabaseError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from asyncjobd.contrib.django.models import Daemon, Execution, Job
from asyncjobd.contrib.django.orders import order

MOST_COUNTED = 10_000  # rows: to count all of a large table takes seconds, and each page would

Action = Callable[["JobAdmin", HttpRequest, QuerySet[Job]], None]


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # Django's own takes no arguments
    """Counts the newest rows only, which are all that can be paged to."""

    @cached_property
    def count(self) -> int:
        newest: QuerySet[Any] = self.object_list[:MOST_COUNTED]  # type: ignore[assignment]
        return newest.count()


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def _action(name: str, description: str) -> Action:
    """Return an action of the admin that gives the selected jobs an order."""

    @admin.action(description=description, permissions=["order"])
    def give(model_admin: "JobAdmin", request: HttpRequest, jobs: QuerySet[Job]) -> None:
        try:
            given = order(jobs[:MOST_COUNTED], name, request.user.get_username())  # as many as it says
        except DatabaseError as error:
            model_admin.message_user(request, str(error), messages.ERROR)
        else:
            model_admin.message_user(request, f"{given} of the selected jobs were given the order {name}")

    give.__name__ = name.replace("-", "_")
    return give


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Whoever may view jobs may look; whoever may change them may also give orders."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """Return the jobs without their long values, which a list does not show."""
        jobs: QuerySet[Job] = super().get_queryset(request)
        return jobs.defer("params", "result", "traceback", "log")

    list_display = (
        "id",
        "job_name",
        "status",
        "created_at",
        "due_at",
        "started_at",
        "finished_at",
        "message",
    )
    list_filter = ("status",)
    search_fields = ("id__exact", "job_name__exact")
    search_help_text = "An id, or the whole name of a job"
    ordering = ("-id",)
    actions = (
        _action("hold", "Hold the selected jobs, also those that run"),
        _action("release", "Release the selected jobs from Hold"),
        _action("run-now", "Run the selected jobs now, or again"),
        _action("cancel", "Cancel the selected jobs, also those that run"),
    )
    readonly_fields = ("executions",)

    def has_order_permission(self, request: HttpRequest) -> bool:
        return admin.ModelAdmin.has_change_permission(self, request)

    @admin.display(description="Earlier executions")
    def executions(self, job: Job) -> SafeString:
        """Return what became of the executions that did not end the job."""
        rows = (
            Execution.objects.using(job._state.db).filter(job=job).values_list("number", "status", "message")
        )
        return format_html_join(
            "\n", "<p>{}: {} {}</p>", ((number, how, said or "") for number, how, said in rows)
        )


@admin.register(Daemon)
class DaemonAdmin(ReadOnlyAdmin):
    list_display = ("name", "host", "pid", "version", "running", "concurrency", "heartbeat_at", "is_draining")
