"""`asyncjobd enqueue`."""

import asyncio
import sys
from datetime import datetime, timedelta
from typing import Any

import click

from asyncjobd.builder import JobBuilder
from asyncjobd.cli.check_params import check_params
from asyncjobd.cli.completion import complete_action
from asyncjobd.cli.environment import Environment, pass_environment
from asyncjobd.cli.failures import Failure, database_failure
from asyncjobd.cli.group import Command, json_option
from asyncjobd.cli.option_values import TRIES, to_duration, to_ids, to_time
from asyncjobd.cli.printing import print_json
from asyncjobd.cli.streams import say
from asyncjobd.cli.waiting import reason_of, warn
from asyncjobd.client import Client
from asyncjobd.insertion import query_of
from asyncjobd.job import Job, NewJob, Status
from asyncjobd.monitoring.dependencies import awaited
from asyncjobd.monitoring.given_params import read_params
from asyncjobd.monitoring.states import state_of
from asyncjobd.monitoring.times import full_time
from asyncjobd.monitoring.values import text
from asyncjobd.monitoring.why.names import NAME_KINDS
from asyncjobd.monitoring.why.reason import Reason
from asyncjobd.postgres.outage import FAILURES

SECONDS_BEFORE_REASON = 1.0  # a job that ends within this time is not said to wait
SECONDS_BETWEEN_REASONS = 1.0


@click.command(cls=Command)
@click.argument("job_name", shell_complete=complete_action)
@click.argument("params", default="{}")
@click.option(
    "--at",
    "schedule_time",
    callback=to_time,
    metavar="TIME",
    help='When it is due: "9:30", "tomorrow 9:30", "in 2 h", or ISO 8601; without a zone, local time.',
)
@click.option(
    "--every", callback=to_duration, metavar="DURATION", help='Repeat it, such as "1 day": make it recursive.'
)
@click.option(
    "--retry-interval", callback=to_duration, metavar="DURATION", help='Time between tries, such as "90 s".'
)
@click.option(
    "--retry-backoff",
    type=float,
    metavar="FACTOR",
    help="What each retry multiplies that time by, from 1 on.",
)
@click.option(
    "--retry-interval-max", callback=to_duration, metavar="DURATION", help="The longest that it may become."
)
@click.option(
    "--retry-jitter", type=float, metavar="SHARE", help="By what share a retry may come earlier, from 0 to 1."
)
@click.option("--max-execution-count", type=TRIES, help="How often it is tried.")
@click.option(
    "--timeout", callback=to_duration, metavar="DURATION", help='The longest execution, such as "10 min".'
)
@click.option("--priority", type=click.IntRange(-32768, 32767), default=0, help="Lower starts first.")
@click.option("--unique-key", help="Insert nothing while a live job has this key.")
@click.option("--once-key", help="Insert nothing if any job has this key.")
@click.option("--debounce-key", help="Change the job that has this key, if it has not started.")
@click.option(
    "--delay",
    callback=to_duration,
    metavar="DURATION",
    help="With --debounce-key: start it so long after the last request.",
)
@click.option(
    "--at-most",
    callback=to_duration,
    metavar="DURATION",
    help="With --debounce-key: but so long after the first request at the latest.",
)
@click.option("--limit-key", help="Whom it counts for in limits per key, and takes turns with.")
@click.option(
    "--waits-for", callback=to_ids, metavar="ID[,ID...]", help="Jobs that must have ended before it starts."
)
@click.option("--waits-for-children", is_flag=True, help="Start it after its children have ended.")
@click.option(
    "--when-failed",
    type=click.Choice([each.value for each in Status], case_sensitive=False),
    help="What becomes of it once a job that it waits for is Failed. Default: Failed.",
)
@click.option("--no-check", is_flag=True, help="Insert it also where its params do not fit the handler.")
@click.option(
    "--wait", is_flag=True, help="Wait for its end, and say why it waits; exit 1 where it is Failed."
)
@json_option
@pass_environment
def enqueue(environment: Environment, /, no_check: bool, wait: bool, as_json: bool, **given: Any) -> None:
    """Insert a job. PARAMS is a JSON value; `asyncjobd action show JOB_NAME` tells which."""
    try:
        new_job = _new_job(**given)
        query_of(new_job)  # refuses keys that do not go together
    except (ValueError, OverflowError) as error:
        raise click.UsageError(str(error)) from error
    job = environment.run(_enqueue(environment, new_job, wait=wait, is_checked=not no_check))
    if as_json:
        print_json(job)
    else:
        say(_line(job))  # the job is inserted, whether or not anybody reads it
    if wait and job.status is not Status.COMPLETED:
        sys.exit(1)


def _new_job(
    job_name: str, params: str, schedule_time: datetime | None, every: timedelta | None,
    retry_interval: timedelta | None, **columns: Any,
) -> NewJob:  # fmt: skip
    builder = JobBuilder(job_name).set_params(read_params(params)).set_priority(columns["priority"])
    builder.set_max_execution_count(columns["max_execution_count"]).set_unique_key(columns["unique_key"])
    builder.set_once_key(columns["once_key"])
    if columns["delay"] is not None and schedule_time is not None:
        raise ValueError("--delay and --at exclude each other")
    if columns["debounce_key"] is not None:
        delay = columns["delay"] or timedelta(0)
        builder.set_debounce(columns["debounce_key"], delay, at_most=columns["at_most"])
    elif columns["delay"] is not None or columns["at_most"] is not None:
        raise ValueError("--delay and --at-most go with a --debounce-key")
    builder.set_limit_key(columns["limit_key"]).set_timeout(columns["timeout"])
    builder.set_retry_interval(retry_interval if every is None else every)
    builder.set_retry_backoff(columns["retry_backoff"]).set_retry_jitter(columns["retry_jitter"])
    builder.set_retry_interval_max(columns["retry_interval_max"])
    if every is not None:
        builder.set_is_recursive(True)
    builder.set_waits_for(columns["waits_for"]).set_waits_for_children(columns["waits_for_children"] or None)
    builder.set_when_failed(columns["when_failed"])
    return builder.set_schedule_time(schedule_time).build()


def _line(job: Job) -> str:
    due = ""
    if job.status is Status.QUEUED:
        due = f", {awaited(job) or f'due {full_time(job.due_at, datetime.now().astimezone())}'}"
    return f"{job.id} {state_of(job)}{due}" + (f": {text(job.message)}" if job.message else "")


async def _enqueue(environment: Environment, job: NewJob, *, wait: bool, is_checked: bool) -> Job:
    async with environment.client() as client:
        if is_checked:
            await check_params(environment.config, client, job)
        job_id = await client.insert(job)
        if job_id is None:
            raise Failure(await _key_is_taken(client, job))
        try:
            reason = await reason_of(environment, client, job_id)
            is_of_name = reason.kind in NAME_KINDS
            if is_of_name:
                warn(job_id, reason)
            if wait:
                return await _wait(environment, client, job_id, reason if is_of_name else None)
            inserted = await client.get(job_id)
        except FAILURES as error:
            failure = database_failure(error, environment.config.database)
            raise Failure(f"job {job_id} was inserted; {failure.message}", failure.exit_code) from error
        if inserted is None:
            raise Failure(f"job {job_id} was deleted")
        return inserted


async def _key_is_taken(client: Client, job: NewJob) -> str:
    has = f"a live job has the unique key {job.unique_key!r}"
    found = job.unique_key is not None and await client.find(unique_key=job.unique_key)
    if not found and job.once_key is not None:
        has = f"a job has the once key {job.once_key!r}"
        found = await client.find(once_key=job.once_key)
    if not found:
        return f"{has}, or had it until now"
    return (
        f"{has}: job {found.id} of {text(found.job_name)}, which is {state_of(found)}; nothing was inserted"
    )


async def _wait(environment: Environment, client: Client, job_id: int, told: Reason | None) -> Job:
    """Return the job once it has ended, and say why it waits whenever that is another reason."""
    ended = asyncio.ensure_future(client.wait(job_id))
    pause, kind = SECONDS_BEFORE_REASON, told and told.kind
    try:
        while True:
            done, _ = await asyncio.wait({ended}, timeout=pause)
            if done:
                return await ended
            pause = SECONDS_BETWEEN_REASONS
            kind = _tell(job_id, await reason_of(environment, client, job_id), kind)
    except LookupError as error:
        raise Failure(f"job {job_id} was deleted") from error
    finally:
        ended.cancel()


def _tell(job_id: int, reason: Reason, kind: str | None) -> str:
    """Say why a job has not ended, if it is not what was said before. Return the kind of what was said."""
    if reason.kind != kind:
        say(f"job {job_id}: {reason.sentence}", err=True)
    return reason.kind
