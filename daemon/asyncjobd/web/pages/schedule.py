"""The schedules: when each fires next, whether it did last time, and what keeps it from firing."""

from datetime import datetime

from asyncjobd.monitoring.schedules import next_of, policy_of, state_of, words_of
from asyncjobd.web.page import LISTS, Asked, Model, Page


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
    """All schedules, those that need somebody first."""

    schedules: list[Schedule]


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
            problem=state_of(row),
            policy=policy_of(row),
            is_paused=row["paused_for"] is not None,
        )
        for row in rows
    ]
    return ScheduleModel(title="Schedule", schedules=sorted(schedules, key=lambda each: not each.problem))


PAGE = Page("/schedule", "schedule", schedule, LISTS, in_menu="Schedule")
