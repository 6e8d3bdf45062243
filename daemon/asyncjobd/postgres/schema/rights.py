"""The rights on the schema that a role lacks."""

from dataclasses import dataclass

from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.database import Database


@dataclass(frozen=True, slots=True)
class Lack:
    """Privileges on one object that a role needs and has not."""

    role: str
    purpose: str  # daemon, producer, reader or operator
    object: str  # the name that GRANT takes
    privileges: str

    def __str__(self) -> str:
        return f"{self.privileges} on {self.object}"

    @property
    def grant(self) -> str:
        return f"grant {self} to {self.role}"


async def lacking(
    connection: Connection, database: Database, purpose: str, role: str | None = None
) -> list[Lack]:
    """Return the rights that a role (None: this session's) lacks as a "daemon", "producer", "reader" or
    "operator"."""
    role = role or await connection.fetchval("select current_user")
    rows = await connection.fetch(*database.query("schema/list_missing_rights", role=role, purpose=purpose))
    return [Lack(row["role"], purpose, row["object"], ", ".join(row["missing"])) for row in rows]
