"""The migrations of this version of asyncjobd: migrations/NUMBER_NAME.sql."""

from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Migration:
    """One step from a version of the schema to the next."""

    version: int
    name: str
    sql: str

    @property
    def digest(self) -> str:
        return sha256(self.sql.encode()).hexdigest()

    @property
    def script(self) -> str:
        """Return its SQL, with the row that records that it was applied."""
        return (
            f"{self.sql}\ninsert into asyncjob.migration (version, name, digest)\n"
            f"     values ({self.version}, '{self.name}', '{self.digest}');\n"
        )


def migrations() -> list[Migration]:
    """Return them in the order in which they are applied."""
    found = []
    for file in (files("asyncjobd.postgres.schema") / "migrations").iterdir():
        if file.name.endswith(".sql"):
            number, _, name = file.name.removesuffix(".sql").partition("_")
            found.append(Migration(int(number), name, file.read_text(encoding="utf-8")))
    return sorted(found, key=lambda migration: migration.version)
