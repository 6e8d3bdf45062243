"""The commands that enqueue jobs and show them."""

import sys
from datetime import datetime
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.markup import escape

from asyncjobd.builder import JobBuilder
from asyncjobd.cli.environment import Environment, Failure, database_failure
from asyncjobd.cli.params import check_params
from asyncjobd.cli.printing import json_option, print_json, print_table, text
from asyncjobd.job import Job, Status
from asyncjobd.postgres.outage import FAILURES


@click.command()
@click.argument("job_name")
@click.argument("params", default="{}")
@click.option(
    "--at", "schedule_time", metavar="TIME", help="When it is due: ISO 8601; without a zone, local time."
)
@click.option("--every", type=float, metavar="MINUTES", help="Repeat it: make it recursive.")
@click.option("--retry-interval", type=float, metavar="MINUTES")
@click.option("--max-execution-count", type=click.IntRange(1))
@click.option("--timeout", type=float, metavar="MINUTES")
@click.option("--priority", type=click.IntRange(-32768, 32767), default=0, help="Lower starts first.")
@click.option("--unique-key", help="Do nothing while a live job has this key.")
@click.option(
    "--no-check", "--force", is_flag=True, help="Insert it also where its params do not fit the handler."
)
@click.option("--wait", is_flag=True, help="Wait for its end; exit 1 where it is Failed.")
@json_option
@click.pass_obj
def enqueue(environment: Environment, /, no_check: bool, wait: bool, as_json: bool, **given: Any) -> None:
    """Insert a job. PARAMS is a JSON value; `asyncjobd action show JOB_NAME` tells which."""
    try:
        builder = _builder(**given)
    except (ValueError, OverflowError) as error:
        raise click.UsageError(str(error)) from error
    job = environment.run(_enqueue(environment, builder, wait, is_checked=not no_check))
    if as_json:
        print_json(job)
    else:
        click.echo(f"{job.id} {job.status}" + (f": {text(job.message)}" if job.message else ""))
    if wait and job.status is not Status.COMPLETED:
        sys.exit(1)


def _builder(
    job_name: str, params: str, schedule_time: str | None, every: float | None, retry_interval: float | None,
    **columns: Any,
) -> JobBuilder:  # fmt: skip
    try:
        value = msgspec.json.decode(params)
    except msgspec.DecodeError as error:
        raise ValueError(f"PARAMS {params!r} is not JSON: {error}") from error
    builder = JobBuilder(job_name).set_params(value).set_priority(columns["priority"])
    builder.set_max_execution_count(columns["max_execution_count"]).set_unique_key(columns["unique_key"])
    builder.set_timeout(columns["timeout"]).set_retry_interval(retry_interval if every is None else every)
    if every is not None:
        builder.set_is_recursive(True)
    if schedule_time is not None:
        builder.set_schedule_time(datetime.fromisoformat(schedule_time).astimezone())
    return builder


async def _enqueue(environment: Environment, builder: JobBuilder, wait: bool, *, is_checked: bool) -> Job:
    job = builder.build()
    async with environment.client() as client:
        if is_checked:
            await check_params(environment.config, client, job)
        job_id = await client.insert(job)
        if job_id is None:
            raise Failure(f"a live job has the unique key {job.unique_key!r}")
        if wait:
            with Console(stderr=True).status(f"waiting for job {job_id} ..."):
                try:
                    return await client.wait(job_id)
                except LookupError as error:
                    raise Failure(f"job {job_id} was deleted") from error
                except FAILURES as error:
                    failure = database_failure(error, environment.config)
                    raise Failure(
                        f"job {job_id} was inserted; {failure.message}", failure.exit_code
                    ) from error
        inserted = await client.get(job_id)
        if inserted is None:
            raise Failure(f"job {job_id} was deleted")
        return inserted


@click.command("list")
@click.option("--name", "job_name")
@click.option("--status", type=click.Choice([status.value for status in Status]))
@click.option("--parent", "parent_id", type=int)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@json_option
@click.pass_obj
def list_jobs(environment: Environment, /, status: str | None, as_json: bool, **given: Any) -> None:
    """List jobs, the newest first."""
    jobs = environment.run(_list(environment, None if status is None else Status(status), given))
    if as_json:
        print_json(jobs)
    else:
        print_table([_summary(job) for job in jobs], empty="no jobs")


async def _list(environment: Environment, status: Status | None, given: dict[str, Any]) -> list[Job]:
    async with environment.client() as client:
        return await client.list(status=status, **given)


def _summary(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "job_name": job.job_name,
        "status": f"{job.status} (running)" if job.is_running else job.status.value,
        "count": f"{job.execution_count}/{job.max_execution_count or '-'}",
        "progress": None if job.progress is None else f"{job.progress:.0%}",
        "due_at": job.due_at,
        "finished_at": job.finished_at,
        "message": job.hold_reason or job.message or job.progress_message,
    }


@click.command()
@click.argument("job_id", type=int)
@json_option
@click.pass_obj
def show(environment: Environment, job_id: int, as_json: bool) -> None:
    """Show a job: its row, its executions, and why it waits where it does."""
    job, executions, waits_because = environment.run(_show(environment, job_id))
    if as_json:
        print_json(msgspec.structs.asdict(job) | {"executions": executions, "waits_because": waits_because})
        return
    console = Console(highlight=False)
    for name, value in msgspec.structs.asdict(job).items():
        if value is not None and name != "traceback":
            console.print(f"[bold]{name:22}[/] {escape(text(value))}")
    if waits_because:
        console.print(f"[bold]{'waits because':22}[/] {escape(text(waits_because))}")
    if job.traceback:
        console.print(escape(text(job.traceback)))
    if executions:
        print_table(executions, title="earlier executions")


async def _show(environment: Environment, job_id: int) -> tuple[Job, list[dict[str, Any]], str | None]:
    async with environment.client() as client:
        job = await client.get(job_id)
        if job is None:
            raise Failure(f"there is no job {job_id}")
        rows = await client.pool.fetch("inspect/list_executions", job_id=job_id)
        executions = [dict(row) for row in rows]
        waits_because = None
        if not job.is_running and job.status in {Status.QUEUED, Status.IN_PROGRESS}:
            async with environment.observer() as observer:
                overview = await observer.look()
            reasons = {row["name"]: row["waits_because"] for row in overview.actions}
            waits_because = reasons.get(job.job_name)  # it may have ended, and its name gone, since
            if waits_because is None and job.status is Status.QUEUED:
                waits_because = f"it is due at {text(job.due_at)}"
        return job, executions, waits_because
