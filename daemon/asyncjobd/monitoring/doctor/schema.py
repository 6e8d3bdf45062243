"""Checks the schema: its version, and whether it is what the migrations make."""

from pathlib import Path

from asyncjobd.monitoring.doctor.finding import Finding
from asyncjobd.postgres.schema import migration
from asyncjobd.postgres.schema.drift import Drift
from asyncjobd.postgres.schema.migrate import SchemaError

TOPIC = "schema_differs"
MIGRATIONS = Path(migration.__file__).with_name("migrations")


def schema(found: SchemaError | list[Drift]) -> list[Finding]:
    """Return findings for a wrong version, or for each object that has drifted."""
    if isinstance(found, SchemaError):
        return [Finding.problem("schema", found.reason, found.advice, topic=TOPIC)]
    advice = f"put it back as {MIGRATIONS} has it: no daemon starts until then"
    return [
        Finding.problem(
            "schema",
            f"{each}; expected: {each.expected}; found: {each.actual or 'nothing'}",
            advice,
            topic=TOPIC,
        )
        for each in found
    ] or [
        Finding.ok("schema", f"at version {migration.migrations()[-1].version}, and what its migrations made")
    ]
