"""The schema that the jobs are in."""

from django.conf import settings

from asyncjobd.postgres.statement import SCHEMA


def schema() -> str:
    """Return the setting ASYNCJOBD_SCHEMA."""
    return str(getattr(settings, "ASYNCJOBD_SCHEMA", SCHEMA))
