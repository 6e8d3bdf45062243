"""`asyncjobd show`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click
import msgspec

from asyncjobd.cli.environment import Environment, pass_environment
from asyncjobd.cli.failures import Failure
from asyncjobd.cli.group import Command, json_option
from asyncjobd.cli.job_id import JOB_ID
from asyncjobd.cli.printing import print_json, print_value, width
from asyncjobd.client import Client
from asyncjobd.job import Job, Status
from asyncjobd.monitoring.states import state_of
from asyncjobd.monitoring.times import full_time, short_time
from asyncjobd.monitoring.units import duration, one_line
from asyncjobd.monitoring.values import text
from asyncjobd.monitoring.why.answer import explain, look_at, missing
from asyncjobd.monitoring.why.reason import Reason

Row = dict[str, Any]

MOST_IDS = 20  # of jobs that it waits for

# below what comes first; the names of the columns, so that one can write them in SQL
COLUMNS = (
    "params", "schedule_time", "priority", "retry_interval", "retry_backoff", "retry_interval_max",
    "retry_jitter", "max_execution_count", "is_recursive", "timeout", "parent_id", "unique_key", "debounce_key",
    "once_key", "limit_key", "traceparent", "waits_for", "waits_for_children", "when_failed",
)  # fmt: skip


@click.command(cls=Command)
@click.argument("job_id", type=JOB_ID, required=False)
@click.option("--key", help="Show the job that has this unique, debounce or once key.")
@json_option
@pass_environment
def show(environment: Environment, job_id: int | None, key: str | None, as_json: bool) -> None:
    """Show a job: its state and why, what it came to, its columns, its log and its earlier executions."""
    if (job_id is None) == (key is None):
        raise click.UsageError("Give a JOB_ID or a --key.")
    job, executions, reason, daemon = environment.run(_look(environment, job_id, key))
    state = state_of(job)
    if as_json:
        why = {"kind": reason.kind, "sentence": reason.sentence, "topic": reason.topic}
        more = {"state": state, "executions": executions, "why": why}
        print_json(msgspec.structs.asdict(job) | more)
        return
    _print(job, state, reason, daemon)
    if executions:
        _print_executions(executions)


async def _look(
    environment: Environment, job_id: int | None, key: str | None
) -> tuple[Job, list[Row], Reason, str | None]:
    """Return the job, its earlier executions, why it is as it is, and the daemon that has it."""
    async with environment.client() as client:
        if job_id is None:
            job_id = await _id_by_key(client, key)
        job = await client.get(job_id)
        row = await look_at(client.pool.fetch, job_id)
        if job is None or row is None:
            raise Failure((await missing(client.pool.fetch, job_id)).sentence)
        executions = [dict(row) for row in await client.pool.fetch("inspect/list_executions", job_id=job_id)]
        reason = explain(row, environment.configured_names, environment.config_path)
        return job, executions, reason, row["daemon"]


async def _id_by_key(client: Client, key: str | None) -> int:
    rows = await client.pool.fetch("client/find_keys", unique_key=key, debounce_key=key, once_key=key)
    ids: list[int] = sorted({row["id"] for row in rows})
    if not ids:
        raise Failure(f"no job has the key {key!r}: an INSERT with it inserts a job")
    if len(ids) > 1:
        raise Failure(
            f"jobs {' and '.join(map(str, ids))} have the key {key!r}, of different kinds: show one by its id"
        )
    return ids[0]


def _print(job: Job, state: str, reason: Reason, daemon: str | None) -> None:
    columns = width()
    now = datetime.now().astimezone()

    def put(name: str, value: str) -> None:
        if value:
            print_value(name, value, columns, indent=22)

    put("job", f"{job.id} of {one_line(job.job_name)}")
    put("state", f"{state}{_since(job, now)}")
    put("why", text(reason.sentence) + (f" -> asyncjobd help {reason.topic}" if reason.topic else ""))
    if job.message != reason.sentence:
        put("message", text(job.message))
    put("progress", _progress(job))
    put("result", text(job.result))
    put("executions", _executions(job, now))
    put("daemon", text(daemon))
    put("created", f"{full_time(job.created_at, now)} by {text(job.created_by)}")
    if job.ordered_at is not None:
        put("status written", f"{full_time(job.ordered_at, now)} by {text(job.ordered_by)}")
    click.echo()
    for name in COLUMNS:
        value = getattr(job, name)
        if value is not None and value != "":
            put(name, _few(value) if name == "waits_for" else text(value, now))
    if job.traceback:
        click.echo()
        click.echo(text(job.traceback).rstrip())
    if job.log:
        click.echo("\nlog of its last execution")
        click.echo(text(job.log).rstrip())


def _few(ids: Sequence[int]) -> str:
    more = f", and {len(ids) - MOST_IDS:,} more" if len(ids) > MOST_IDS else ""
    return ", ".join(map(str, ids[:MOST_IDS])) + more


def _since(job: Job, now: datetime) -> str:
    if job.is_running:
        return f", since {full_time(job.started_at, now)}"
    if job.status.is_final:
        return f", since {full_time(job.finished_at, now)}"
    if job.status is Status.IN_PROGRESS:
        return f", since {full_time(job.due_at, now)}: no daemon has it yet"
    return ""


def _progress(job: Job) -> str:
    if job.progress is None and not job.progress_message:
        return ""
    share = "" if job.progress is None else f"{job.progress:.0%}"
    return ", ".join(filter(None, (share, text(job.progress_message))))


def _executions(job: Job, now: datetime) -> str:
    if not job.execution_total:
        return "none yet"
    most = "" if job.max_execution_count is None else f" of {job.max_execution_count} tries"
    total = f", {job.execution_total} in all" if job.execution_total != job.execution_count else ""
    last = ""
    if job.last_execution_status:
        last = f"; the last ended as {job.last_execution_status}, {full_time(job.last_execution_time, now)}"
    return f"{job.execution_count}{most}{total}{last}"


def _print_executions(executions: Sequence[Row]) -> None:
    """Print the earlier executions in one line each. `--json` has their tracebacks and logs."""
    from asyncjobd.cli.grid import Column, print_grid

    now = datetime.now().astimezone()
    columns = [
        Column("EARLIER", "right"), Column("ended as"), Column("message", gives=True), Column("started"),
        Column("took", "right"),
    ]  # fmt: skip
    rows = [
        [
            str(row["number"]), one_line(row["status"]), one_line(row["message"]), short_time(row["started_at"], now),
            "" if row["started_at"] is None else duration((row["finished_at"] - row["started_at"]).total_seconds()),
        ]
        for row in executions
    ]  # fmt: skip
    click.echo()
    print_grid(columns, rows, empty="none")
