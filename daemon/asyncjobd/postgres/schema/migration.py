"""The migrations of this version: migrations/*.sql, by number."""

from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    sql: str

    @property
    def digest(self) -> str:
        return sha256(self.sql.encode()).hexdigest()

    @property
    def script(self) -> str:
        """Its SQL, and the row that says that it was applied."""
        return (
            f"{self.sql}\ninsert into asyncjob.migration (version, name, digest)\n"
            f"     values ({self.version}, '{self.name}', '{self.digest}');\n"
        )


def migrations() -> list[Migration]:
    found = []
    for file in (files("asyncjobd.postgres.schema") / "migrations").iterdir():
        if file.name.endswith(".sql"):
            number, _, name = file.name.removesuffix(".sql").partition("_")
            found.append(Migration(int(number), name, file.read_text(encoding="utf-8")))
    return sorted(found, key=lambda migration: migration.version)
