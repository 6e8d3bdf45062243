"""`asyncjobd list`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click
import msgspec

from asyncjobd.cli.dependencies import awaited
from asyncjobd.cli.environment import Environment, pass_environment
from asyncjobd.cli.group import Command, json_option
from asyncjobd.cli.printing import print_json
from asyncjobd.cli.states import COLOURS, STATES, state_of
from asyncjobd.cli.times import short_time
from asyncjobd.cli.units import one_line
from asyncjobd.client import job_of
from asyncjobd.job import Job, Status


@click.command("list", cls=Command)
@click.option("--name", "job_name", help="Jobs of this name.")
@click.option(
    "--status", "state", type=click.Choice(STATES, case_sensitive=False), help="Jobs in this state."
)
@click.option("--parent", "parent_id", type=int, help="Children of this job.")
@click.option("--unique-key", help="Jobs with this key.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="So many at most.")
@json_option
@pass_environment
def list_jobs(environment: Environment, /, as_json: bool, **given: Any) -> None:
    """List jobs, the newest first, one a line. In Progress is shown as ready or running."""
    jobs = environment.run(_list(environment, **given))
    if as_json:
        print_json([msgspec.structs.asdict(job) | {"state": _state(job)} for job in jobs])
        return
    print_jobs(jobs)


async def _list(
    environment: Environment, *, job_name: str | None, state: str | None, parent_id: int | None,
    unique_key: str | None, limit: int,
) -> list[Job]:  # fmt: skip
    is_of_progress = state in {"ready", "running"}
    status = Status.IN_PROGRESS.value if is_of_progress else state
    is_running = state == "running" if is_of_progress else None
    async with environment.client() as client:
        rows = await client.pool.fetch(
            "inspect/find_jobs", job_name=job_name, status=status, is_owned=is_running, parent_id=parent_id,
            unique_key=unique_key, limit=limit,
        )  # fmt: skip
    return [job_of(row) for row in rows]


def print_jobs(jobs: Sequence[Job]) -> None:
    """Print jobs as a table, in one line each."""
    from rich.text import Text

    from asyncjobd.cli.grid import Column, print_grid

    now = datetime.now().astimezone()
    columns = [
        Column("JOB", "right"), Column("name", gives=True), Column("state"), Column("time"), Column("tries", "right"),
        Column("done", "right"), Column("message", gives=True),
    ]  # fmt: skip
    rows: list[list[str | Text]] = [
        [
            str(job.id),
            one_line(job.job_name),
            Text(_state(job), COLOURS.get(_state(job), "")),
            _moment(job, now),
            _tries(job),
            "" if job.progress is None else f"{job.progress:.0%}",
            one_line(job.hold_reason or job.message or job.progress_message),
        ]
        for job in jobs
    ]
    print_grid(columns, rows, empty="no jobs")


def _state(job: Job) -> str:
    return state_of(job.status, is_running=job.is_running, is_stopping=job.is_stopping)


def _tries(job: Job) -> str:
    most = "" if job.max_execution_count is None else f"/{job.max_execution_count}"
    return f"{job.execution_count}{most}"


def _moment(job: Job, now: datetime) -> str:
    """Return the time that says the most about a job in its state."""
    if job.is_running:
        return f"since {short_time(job.started_at, now)}"
    match job.status:
        case Status.QUEUED:
            return awaited(job) or f"due {short_time(job.due_at, now)}"
        case Status.IN_PROGRESS:
            return f"since {short_time(job.due_at, now)}"
        case Status.HOLD:
            return short_time(job.last_execution_time or job.created_at, now)
    return short_time(job.finished_at, now)
