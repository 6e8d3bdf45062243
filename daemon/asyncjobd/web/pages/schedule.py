"""The schedules: when each fires next, whether it did last time, and what keeps it from firing."""

from datetime import datetime

from asyncjobd.monitoring.schedules import next_of, policy_of, schedule_state, words_of
from asyncjobd.web.charts import Chart
from asyncjobd.web.page import LISTS, Asked, Model, Page

MOST_DUE = 10_000  # jobs that are counted


class Schedule(Model):
    """A schedule. `problem`: what keeps it from firing; empty: nothing does."""

    words: str
    job_name: str
    next: str
    next_at: datetime | None
    last_at: datetime | None
    last_job_id: int | None
    problem: str
    policy: str
    is_paused: bool


class ScheduleModel(Model):
    """All schedules, those that need somebody first, and when the jobs are due that are Queued now.

    `counted_for`: the minutes from now for which these are counted, as only the first `most` are; None: all of a day.
    """

    schedules: list[Schedule]
    due: list[Chart]
    counted_for: int | None
    most: int


async def schedule(asked: Asked) -> ScheduleModel:
    """Look at the schedules."""
    rows = [dict(row) for row in await asked.fetch("inspect/list_schedules", name=None)]
    schedules = [
        Schedule(
            title=row["name"],
            words=words_of(row),
            job_name=row["job_name"],
            next=next_of(row, asked.now),
            next_at=row["next_at"],
            last_at=row["last_at"],
            last_job_id=row["last_job_id"],
            problem=schedule_state(row, asked.now),
            policy=policy_of(row),
            is_paused=row["paused_for"] is not None,
        )
        for row in rows
    ]
    by_minute = {row["minute"]: row["jobs"] for row in await asked.fetch("inspect/count_due", limit=MOST_DUE)}
    is_all = sum(by_minute.values()) < MOST_DUE
    return ScheduleModel(
        title="Schedule",
        schedules=sorted(schedules, key=lambda each: not each.problem),
        due=[_due(by_minute, "minute", 60, 1), _due(by_minute, "hour", 24, 60)] if by_minute else [],
        counted_for=None if is_all else max(by_minute) + 1,
        most=MOST_DUE,
    )


def _due(by_minute: dict[int, int], unit: str, number: int, length: int) -> Chart:
    """Return how many jobs are due in each of the next parts of time, which have `length` minutes."""
    jobs = [0] * number
    for minute, found in by_minute.items():
        if minute // length < number:
            jobs[minute // length] += found
    return Chart(f"due in each {unit}", jobs, f"the next {number} {unit}s, at most {max(jobs):,}")


PAGE = Page("/schedule", "schedule", schedule, LISTS, in_menu="Schedule")
