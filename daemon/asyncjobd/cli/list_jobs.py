"""`asyncjobd list`."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import click
import msgspec

from asyncjobd.cli.environment import Environment, pass_environment
from asyncjobd.cli.group import Command, json_option
from asyncjobd.cli.job_id import JOB_ID
from asyncjobd.cli.option_values import where_option
from asyncjobd.cli.printing import print_json
from asyncjobd.job import Job, Status
from asyncjobd.monitoring.dependencies import awaited
from asyncjobd.monitoring.search import newest
from asyncjobd.monitoring.selection import FIELDS, STATES, Selection
from asyncjobd.monitoring.states import COLOURS, state_of
from asyncjobd.monitoring.times import short_time
from asyncjobd.monitoring.units import one_line, shown_name

MOST_LISTED = 2**31 - 1  # jobs


@click.command("list", cls=Command)
@click.option("--name", "job_name", help="Jobs of this name; * stands for any characters.")
@click.option(
    "--status", "state", type=click.Choice(STATES, case_sensitive=False), help="Jobs in this state."
)
@click.option("--parent", "parent_id", type=JOB_ID, help="Children of this job.")
@click.option("--key", help="Jobs with this unique, debounce or once key.")
@where_option
@click.option(
    "--limit", type=click.IntRange(1, MOST_LISTED), default=50, show_default=True, help="So many at most."
)
@json_option
@pass_environment
def list_jobs(
    environment: Environment, /, as_json: bool, where: Selection | None, limit: int, **given: Any
) -> None:
    """List jobs, the newest first, one a line. In Progress is shown as ready or running."""
    terms = {field: value for field, value in given.items() if value is not None}
    selection = where or Selection()
    for word, field in FIELDS.items():
        if field in terms and getattr(selection, field) is not None:
            raise click.UsageError(f"{word} is given twice, by --{word} and in --where: a job has one.")
    selection = replace(selection, **terms)
    jobs = environment.run(_list(environment, selection, limit))
    if as_json:
        print_json([msgspec.structs.asdict(job) | {"state": state_of(job)} for job in jobs])
        return
    print_jobs(jobs)


async def _list(environment: Environment, selection: Selection, limit: int) -> list[Job]:
    async with environment.client() as client:
        return await newest(client.pool.fetch, selection, limit)


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
            shown_name(job.job_name),
            Text(state_of(job), COLOURS.get(state_of(job), "")),
            _moment(job, now),
            _tries(job),
            "" if job.progress is None else f"{job.progress:.0%}",
            one_line(job.hold_reason or job.message or job.progress_message),
        ]
        for job in jobs
    ]
    print_grid(columns, rows, empty="no jobs")


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
