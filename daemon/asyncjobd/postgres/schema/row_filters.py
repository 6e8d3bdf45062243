"""Policies and rules, which make statements see or write fewer rows without an error."""

from dataclasses import dataclass

from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.database import Database


@dataclass(frozen=True, slots=True)
class Blind:
    """Row-level security or a rule on one of the tables."""

    table: str
    rule: str | None  # None: it is row-level security
    is_active: bool  # it filters what this session's role sees
    role: str

    @property
    def seen(self) -> str:
        if self.rule is not None:
            return f"the rule {self.rule} on {self.table} does something else than what a statement says"
        holds = "holds" if self.is_active else "does not hold"
        return (
            f"row-level security of {self.table} is on, and {holds} for {self.role}: "
            "whom it holds for misses rows"
        )

    @property
    def advice(self) -> str:
        if self.rule is not None:
            return f"drop rule {self.rule} on {self.table}"
        return (
            f"alter table {self.table} disable row level security, "
            "or alter role NAME bypassrls for a daemon's role"
        )


async def blinds(connection: Connection, database: Database) -> list[Blind]:
    """Return the policies and rules on the tables of the schema."""
    rows = await connection.fetch(*database.query("schema/list_row_filters"))
    return [Blind(row["name"], row["rule"], row["is_active"], row["role"]) for row in rows]
