"""A bug to plant in the engine: a guard left out, or a step at the wrong time."""

from dataclasses import dataclass

QUERIES = "postgres/queries"
SCHEMA = "postgres/schema/migrations/0001_schema.sql"


@dataclass(frozen=True)
class Bug:
    """A change of one place, under daemon/asyncjobd, which must be there once."""

    name: str
    file: str
    old: str
    new: str
    seed: int | None = None  # of a world that finds it
