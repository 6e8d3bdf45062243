"""The Django project in the process of the tests, with the database that a test names."""

from collections.abc import Sequence

import django
import pytest
from django.apps import apps
from django.db import connections
from django.db.transaction import atomic, set_rollback
from psycopg.conninfo import conninfo_to_dict

from asyncjobd import NewJob


def use(dsn: str) -> None:
    """Set up Django on this database."""
    if not apps.ready:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DATABASE_URL", dsn)
            patch.setenv("DJANGO_SETTINGS_MODULE", "tests.contrib.shop.settings")
            django.setup()
    connections["default"].close()
    connections["default"].settings_dict["NAME"] = conninfo_to_dict(dsn)["dbname"]


def of_django(dsn: str, jobs: Sequence[NewJob], commits: bool) -> list[int | None]:
    """Insert jobs; see `tests.contrib.libraries.Insert`."""
    from asyncjobd.contrib.django import enqueue, enqueue_many

    use(dsn)
    with atomic():
        ids = [enqueue(jobs[0])] if len(jobs) == 1 else enqueue_many(jobs)
        set_rollback(not commits)
    connections["default"].close()
    return ids
