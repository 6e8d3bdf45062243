"""Checks of jobs that wait for other jobs: circles, and jobs that are waited for in vain."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from asyncjobd.monitoring.doctor.finding import Finding, Row
from asyncjobd.monitoring.units import count, duration, one_line

OLD_WAIT_SECONDS = 3600.0  # a job that has waited longer for one that does not go on is told
MOST_TOLD = 5
MOST_NAMED = 10  # jobs of a circle
TOPIC = "jobs_wait_for_jobs"


def circles(rows: Sequence[Row]) -> list[Finding]:
    """Return a finding for each circle of jobs that wait for each other, of rows of list_waiting_jobs.sql."""
    advice = "cancel one of them, or change its waits_for"
    found = []
    for circle in _circles({row["id"]: row["waits_on"] for row in rows}):
        more = f" and {len(circle) - MOST_NAMED} more" if len(circle) > MOST_NAMED else ""
        named = ", ".join(map(str, circle[:MOST_NAMED]))
        seen = f"jobs {named}{more} wait for each other in a circle"
        found.append(Finding.problem("waiting", seen, advice, topic=TOPIC))
    return found or [Finding.ok("waiting", f"{count(len(rows))} jobs wait for other jobs, none in a circle")]


def _circles(watches: dict[int, int]) -> Iterator[list[int]]:
    """Yield the circles among jobs that watch one job each. Each job is passed once."""
    while watches:
        path, job_id = [], next(iter(watches))
        while job_id in watches:
            path.append(job_id)
            job_id = watches.pop(job_id)
        if job_id in path:
            yield path[path.index(job_id) :]


def blocked(rows: Sequence[Row]) -> list[Finding]:
    """Return a finding for each of the jobs that others have waited for the longest, and that do not go on.

    Of the rows of list_waiting_jobs.sql, those that wait for the same job follow each other.
    """
    old: list[tuple[float, str, str]] = []
    for watch, group in groupby((row for row in rows if row["blocked"]), key=lambda row: row["waits_on"]):
        waiting = list(group)
        longest, first = max(row["waits"] for row in waiting), waiting[0]
        if longest >= OLD_WAIT_SECONDS:
            seen = (
                f"job {watch} of {one_line(first['watched_name'])}, which {first['blocked']}, is waited for by "
                f"{count(len(waiting))}, the longest for {duration(longest)}"
            )
            old.append(
                (longest, seen, f"see asyncjobd show {watch}; then asyncjobd release or cancel {watch}")
            )
    old.sort(reverse=True)
    if not old:
        return [Finding.ok("waiting", "none waits for long for a job that does not go on")]
    found = [Finding.warning("waiting", seen, advice, topic=TOPIC) for _, seen, advice in old[:MOST_TOLD]]
    if len(old) > MOST_TOLD:
        seen = f"{len(old) - MOST_TOLD} more jobs that do not go on are waited for"
        found.append(Finding.warning("waiting", seen, "see them after these", topic=TOPIC))
    return found
