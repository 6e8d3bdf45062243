"""Keep Alembic's autogenerate away from the tables of asyncjobd, which `asyncjobd migrate` makes."""

from collections.abc import Mapping

from asyncjobd.postgres.statement import SCHEMA


def include_name(
    name: str | None, kind: str, parents: Mapping[str, str | None], *, schema: str = SCHEMA
) -> bool:
    """Return whether Alembic may look at an object; give it to `context.configure` in env.py.

    Without it autogenerate with `include_schemas=True` finds the tables of asyncjobd, misses their models, and
    drops them. Where another schema is configured, give it `functools.partial(include_name, schema="jobs")`.
    """
    return not (kind == "schema" and name == schema)
