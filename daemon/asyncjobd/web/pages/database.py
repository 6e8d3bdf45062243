"""What `asyncjobd doctor` finds: the server, its settings, the schema, the daemons and the jobs."""

from asyncjobd.monitoring.doctor.examination import examine
from asyncjobd.monitoring.doctor.finding import Finding, Level
from asyncjobd.postgres.database import Database
from asyncjobd.web.page import Asked, Model, Page

PACE = 30.0  # seconds between two examinations
WORST_FIRST = (Level.PROBLEM, Level.WARNING, Level.OK)


class DatabaseModel(Model):
    """The findings, the worst first, and where the database is."""

    address: str
    findings: list[Finding]
    problems: int
    warnings: int


def page_of(database: Database) -> Page:
    """Return the page about this database."""

    async def show(_asked: Asked) -> DatabaseModel:
        findings = await examine(database, as_reader=True)
        levels = [finding.level for finding in findings]
        return DatabaseModel(
            title="Database",
            address=database.address,
            findings=sorted(findings, key=lambda finding: WORST_FIRST.index(finding.level)),
            problems=levels.count(Level.PROBLEM),
            warnings=levels.count(Level.WARNING),
        )

    return Page("/database", "database", show, PACE, in_menu="Database", reads=False)
