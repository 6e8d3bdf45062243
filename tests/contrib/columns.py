"""The columns that models must have, by the list of objects that the migrations make."""

from importlib.resources import files

TABLES = ("job", "execution", "daemon")


def listed_columns() -> dict[str, tuple[str, bool]]:
    """Return the type of each column, by table and name, and whether it may be null."""
    found: dict[str, tuple[str, bool]] = {}
    for line in (files("asyncjobd.postgres.schema") / "objects.txt").read_text().splitlines():
        name, _, definition = line.removeprefix("column asyncjob.").partition(": ")
        if name.partition(".")[0] in TABLES:
            kind = definition.split(" default ")[0].split(" identity")[0]
            is_null = not kind.endswith(" not null")
            found[name] = kind.removesuffix(" not null").split(" collate ")[0], is_null
    return found
