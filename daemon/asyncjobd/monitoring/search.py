"""The newest jobs of a selection."""

from asyncjobd.client import job_of
from asyncjobd.job import Job
from asyncjobd.monitoring.run import Run
from asyncjobd.monitoring.selection import Selection

WIDTH = 50_000  # rows that one statement looks at


async def newest(run: Run, selection: Selection, limit: int) -> list[Job]:
    """Return the newest of the selected jobs, at most `limit`."""
    found: list[Job] = []
    before_id = 2**63 - 1
    while len(found) < limit:
        rows = await run(
            "inspect/select_jobs",
            before_id=before_id,
            width=WIDTH,
            limit=limit - len(found),
            **selection.arguments,
        )
        if rows[0]["reached"] is None:
            break
        found += [job_of(row) for row in rows if row["id"] is not None]
        before_id = rows[0]["reached"]
    return found
