"""Check the triggers, foreign keys, settings and policies of the site, which take effect in the daemon's statements."""

from asyncjobd.monitoring.doctor.finding import Finding, Row
from asyncjobd.postgres.schema.row_filters import Blind


def triggers(rows: list[Row]) -> list[Finding]:
    """Return a finding that names the triggers of the site."""
    names = ", ".join(row["name"] for row in rows if row["kind"] == "trigger")
    seen = (
        f"of the site, {names}: they run in every claim and record under our search_path, and can fail them"
    )
    return [Finding.ok("triggers", seen)] if names else []


def foreign_keys(rows: list[Row]) -> list[Finding]:
    """Return a finding for each foreign key that keeps jobs from being deleted."""
    return [
        Finding.warning(
            "foreign keys", f"{row['name']} of {row['owner']} keeps the jobs that it refers to from being deleted",
            "give it `on delete cascade` or `on delete set null`, if [retention] is to delete them",
            topic="disk_fills_up",
        )
        for row in rows if row["kind"] == "foreign key"
    ]  # fmt: skip


def settings(rows: list[Row]) -> list[Finding]:
    """Return a finding for each setting that reaches into handlers and clients."""
    return [
        Finding.ok(
            "defaults", f"{row['owner']} sets {row['name']}, which holds for what handlers and clients do"
        )
        for row in rows
        if row["kind"] == "setting"
    ]


def blinds(found: list[Blind]) -> list[Finding]:
    """Return a finding for each policy or rule that hides rows."""
    return [
        (Finding.problem if blind.is_active else Finding.warning)(
            "sight", blind.seen, blind.advice, topic="rows_are_hidden"
        )
        for blind in found
    ]
