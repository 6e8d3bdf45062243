"""The models are the tables, the admin shows and orders jobs, and Django's migrations leave the tables alone."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path

import psycopg
import pytest

from asyncjobd import JobBuilder, NewJob, Status
from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.schema.migrate import migrate
from tests.contrib.columns import listed_columns
from tests.contrib.django_site import use
from tests.contrib.kinds import PLAIN
from tests.docs.snippets import ROOT
from tests.support.workers import until_true


@pytest.fixture(scope="module", autouse=True)
def site(module_dsn: str) -> Iterator[None]:
    from django.core.management import call_command
    from django.db import connection

    use(module_dsn)
    call_command("migrate", verbosity=0)
    yield
    connection.close()


@pytest.fixture(autouse=True)
def rolled_back() -> Iterator[None]:
    """Undo what a test writes."""
    from django.db.transaction import atomic, set_rollback

    with atomic():
        yield
        set_rollback(True)


def test_models_have_the_columns_of_the_tables() -> None:
    from django.db import connection

    from asyncjobd.contrib.django.models import Daemon, Execution, Job

    ours = {
        f"{model._meta.model_name}.{field.column}": (str(field.db_type(connection)), field.null)
        for model in (Job, Execution, Daemon)
        for field in model._meta.concrete_fields
        if field.column
    }
    django_has_not = {"asyncjob.status": "varchar(11)", "real": "double precision"}
    expected = {
        name: (django_has_not.get(kind, kind), is_null) for name, (kind, is_null) in listed_columns().items()
    }
    assert ours == expected


def test_rows_are_read_as_models() -> None:
    from asyncjobd.contrib.django import enqueue
    from asyncjobd.contrib.django.models import Job

    job_id = enqueue(JobBuilder("a").set_params({"b": [1]}).set_status(Status.HOLD).build())
    waits = enqueue(JobBuilder("a").set_waits_for([job_id or 0]).build())
    job = Job.objects.get(id=job_id)
    assert (job.job_name, job.params, job.status) == ("a", {"b": [1]}, "Hold")
    assert list(job.executions.all()) == []  # type: ignore[attr-defined]
    assert Job.objects.values_list("waits_for", "due_at").get(id=waits) == ([job_id], None)
    assert Job.objects.filter(status=Status.HOLD, params__b=[1]).update(status=Status.QUEUED) == 1


def test_job_is_inserted_as_a_model() -> None:
    from asyncjobd.contrib.django.models import Job

    job = Job.objects.create(job_name="a", params={"b": 1})
    job.refresh_from_db()
    assert (job.status, job.max_execution_count, job.execution_count) == ("In Progress", None, 0)


def test_statuses_are_written_by_expressions() -> None:
    from django.db.models import Case, F, Value, When

    from asyncjobd.contrib.django import enqueue_many
    from asyncjobd.contrib.django.models import Job

    jobs = Job.objects.filter(id__in=enqueue_many([PLAIN] * 2)).order_by("id")
    first, second = jobs
    first.status = second.status = Status.HOLD
    assert Job.objects.bulk_update([first, second], ["status"]) == 2
    jobs.update(status=Case(When(id=first.id, then=Value("Failed")), default=Value("Hold")))
    jobs.update(status=Case(When(id=first.id, then=Value("Hold")), default=F("status")))
    jobs.update(status=Case(When(id=first.id, then=Value("Failed")), default=F("status")))
    assert list(jobs.values_list("status", flat=True)) == ["Failed", "Hold"]


def test_params_that_are_null_are_saved() -> None:
    from asyncjobd.contrib.django.models import Job

    job = Job.objects.create(job_name="a", params=None)
    job.refresh_from_db()
    job.save()
    assert Job.objects.get(params=None) == job


def test_migrations_leave_the_tables_alone() -> None:
    from django.core.management import call_command
    from django.db import connection

    said = StringIO()
    call_command("makemigrations", "--check", "--dry-run", stdout=said)
    assert said.getvalue() == "No changes detected\n"
    call_command("check", "--fail-level=WARNING", stdout=said)
    assert "job" not in connection.introspection.table_names()


def test_job_whose_key_another_one_has_is_left_and_all_others_run_again() -> None:
    from asyncjobd.contrib.django import enqueue
    from asyncjobd.contrib.django.models import Job
    from asyncjobd.contrib.django.orders import order

    again = [
        enqueue(NewJob(job_name="again", unique_key=key, status=Status.HOLD)) for key in ("k", "l", None)
    ]
    assert order(Job.objects.filter(id__in=again), "cancel", "ann") == 3
    enqueue(NewJob(job_name="other", unique_key="l"))
    assert order(Job.objects.filter(id__in=again), "run-now", "ann") == 2
    assert Job.objects.get(id=again[1]).status == Status.FAILED


def test_job_that_a_trigger_refuses_to_change_stops_no_other() -> None:
    from django.db import connection

    from asyncjobd.contrib.django import enqueue
    from asyncjobd.contrib.django.models import Job
    from asyncjobd.contrib.django.orders import order

    jobs = [enqueue(NewJob(job_name="refused", params={"n": n}, status=Status.HOLD)) for n in range(3)]
    with connection.cursor() as cursor:
        cursor.execute(
            "create function refuse() returns trigger language plpgsql as $$"
            "begin if new.params = '{\"n\": 1}' then raise 'not this one'; end if; return new; end $$;"
            "create trigger refuse before update on asyncjob.job for each row when (old.job_name = 'refused')"
            " execute function refuse()"
        )
    assert order(Job.objects.filter(id__in=jobs), "cancel", "ann") == 2
    assert Job.objects.get(id=jobs[1]).status == Status.HOLD


class Replica:
    """Django reads from another connection than it writes to."""

    def db_for_read(self, model: object, **hints: object) -> str:
        return "replica"

    def db_for_write(self, model: object, **hints: object) -> str:
        return "default"


def test_orders_are_given_where_a_router_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import connections
    from django.test import override_settings

    from asyncjobd.contrib.django import enqueue
    from asyncjobd.contrib.django.models import Job
    from asyncjobd.contrib.django.orders import order

    job_id = enqueue(PLAIN)
    monkeypatch.setitem(connections.settings, "replica", connections.settings["default"])
    with override_settings(DATABASE_ROUTERS=[Replica()]):
        assert order(Job.objects.filter(id=job_id), "hold", "ann") == 1


def test_job_that_changes_before_it_is_locked_gets_no_order(module_dsn: str) -> None:
    from django.db import connection
    from django.db.models import TextField
    from django.db.models.expressions import RawSQL

    from asyncjobd.contrib.django.models import Job
    from asyncjobd.contrib.django.orders import order

    def cancel_held() -> int:
        try:
            waits = RawSQL(
                "pg_advisory_lock_shared(7)::text", (), TextField()
            )  # between the look and the lock
            held = Job.objects.filter(status="Hold", job_name="raced").exclude(traceparent=waits)
            return order(held, "cancel", "ann")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread, psycopg.connect(module_dsn, autocommit=True) as other:
        other.execute(
            "insert into asyncjob.job (job_name, status, traceparent) values ('raced', 'Hold', 'x')"
        )
        other.execute("select pg_advisory_lock(7)")
        ordered = thread.submit(cancel_held)
        waiting = "select from pg_locks where locktype = 'advisory' and not granted"
        asyncio.run(until_true(lambda: other.execute(waiting).rowcount))
        other.execute("update asyncjob.job set status = 'In Progress' where job_name = 'raced'")
        other.execute("select pg_advisory_unlock(7)")
        assert ordered.result() == 0
        found = other.execute("delete from asyncjob.job where job_name = 'raced' returning status").fetchone()
        assert found == ("In Progress",)


def test_orders_are_given_to_slices_and_joins() -> None:
    from asyncjobd.contrib.django import enqueue_many
    from asyncjobd.contrib.django.models import Job
    from asyncjobd.contrib.django.orders import order

    jobs = Job.objects.filter(id__in=enqueue_many([PLAIN] * 3))
    assert order(jobs.order_by("-id")[:2], "hold", "ann") == 2
    assert order(jobs.filter(executions=None).distinct(), "release", "ann") == 2


IN_ANOTHER_SCHEMA = """
import django
django.setup()
from asyncjobd import NewJob
from asyncjobd.contrib.django import enqueue
from asyncjobd.contrib.django.models import Job
from asyncjobd.contrib.django.orders import order
enqueue(NewJob(job_name="a"))
order(Job.objects.all(), "hold", "ann")
print(*Job.objects.values_list("job_name", "ordered_by"))
"""


def test_schema_of_another_name_is_a_setting(module_dsn: str, tmp_path: Path) -> None:
    asyncio.run(migrate(Database(DatabaseConfig(dsn=module_dsn, schema="jobs"))))
    (tmp_path / "settings.py").write_text(
        "from tests.contrib.shop.settings import *\nASYNCJOBD_SCHEMA = 'jobs'\n"
    )
    path = os.pathsep.join([str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH", "")])
    ran = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_SCHEMA], capture_output=True, text=True,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "settings", "DATABASE_URL": module_dsn, "PYTHONPATH": path},
    )  # fmt: skip
    assert ran.stdout == "('a', 'postgres for ann')\n", ran.stderr


def test_admin_shows_and_orders_jobs() -> None:
    from django.contrib.auth.models import User
    from django.test import Client

    from asyncjobd.contrib.django import enqueue, enqueue_many
    from asyncjobd.contrib.django.models import Job

    held = enqueue(NewJob(job_name="held", status=Status.HOLD))
    ids = enqueue_many([PLAIN, PLAIN])
    client = Client()
    client.force_login(User.objects.create_superuser("ann"))
    page = client.get("/admin/asyncjobd/job/", {"q": "plain"}).content.decode()
    assert "2 jobs" in page
    assert "held" not in page
    chosen = {"action": "hold", "_selected_action": [*ids, held]}
    answer = client.post("/admin/asyncjobd/job/", chosen, follow=True).content.decode()
    assert "3 of the selected jobs were given the order hold" in answer
    assert set(Job.objects.filter(id__in=ids).values_list("status", "ordered_by")) == {
        ("Hold", "postgres for ann")
    }
    shown = client.get(f"/admin/asyncjobd/job/{held}/change/").content.decode()
    assert "Earlier executions" in shown
    assert 'name="_save"' not in shown
    assert client.get("/admin/asyncjobd/daemon/").status_code == 200


def test_all_that_the_admin_counts_are_all_that_it_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.contrib.auth.models import User
    from django.test import Client

    from asyncjobd.contrib.django import admin, enqueue_many
    from asyncjobd.contrib.django.models import Job

    monkeypatch.setattr(admin, "MOST_COUNTED", 2)
    oldest, *newest = enqueue_many([PLAIN] * 3)
    client = Client()
    client.force_login(User.objects.create_superuser("ann"))
    assert "2 jobs" in client.get("/admin/asyncjobd/job/").content.decode()
    chosen = {"action": "hold", "select_across": 1, "_selected_action": newest}
    answer = client.post("/admin/asyncjobd/job/", chosen, follow=True).content.decode()
    assert "2 of the selected jobs were given the order hold" in answer
    assert Job.objects.get(id=oldest).status == "In Progress"


def test_whoever_may_only_look_gives_no_orders() -> None:
    from django.contrib.auth.models import Permission, User
    from django.test import Client

    from asyncjobd.contrib.django import enqueue
    from asyncjobd.contrib.django.models import Job

    job_id = enqueue(PLAIN)
    viewer = User.objects.create_user("bob", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_job"))
    client = Client()
    client.force_login(viewer)
    assert b"plain" in client.get("/admin/asyncjobd/job/").content
    client.post("/admin/asyncjobd/job/", {"action": "cancel", "_selected_action": [job_id]})
    assert Job.objects.get(id=job_id).status == "In Progress"
