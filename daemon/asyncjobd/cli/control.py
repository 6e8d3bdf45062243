"""The commands that control jobs: hold, release, run-now and cancel."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeAlias

import asyncpg
import click

from asyncjobd.cli.environment import Environment, pass_environment
from asyncjobd.cli.failures import Failure
from asyncjobd.cli.group import Command
from asyncjobd.cli.job_id import JOB_ID
from asyncjobd.cli.option_values import where_option
from asyncjobd.cli.orders import control_selected
from asyncjobd.cli.streams import say
from asyncjobd.cli.waiting import reason_of, warn
from asyncjobd.client import Client
from asyncjobd.monitoring.controls import CONTROLS
from asyncjobd.monitoring.orders import why_taken
from asyncjobd.monitoring.selection import Selection
from asyncjobd.monitoring.states import state_of
from asyncjobd.monitoring.units import plural
from asyncjobd.monitoring.why.names import NAME_KINDS

Write: TypeAlias = Callable[[Client, int], Awaitable[str]]  # to a job; returns what to print


class Refused(Exception):
    """There is no such job, none in a status that the command applies to, or another one has its key; the text says
    which.
    """


async def control(client: Client, job_id: int, name: str) -> str:
    """Apply one of CONTROLS to a job, and return the state that it is in then. Raise Refused."""
    status, only_from = CONTROLS[name]
    try:
        job = await client.set_status(job_id, status, only_from=only_from)
    except asyncpg.UniqueViolationError as error:
        reason = await why_taken(client.pool.fetch, job_id, error)
        raise Refused(f"job {job_id} was left: {reason}") from error
    if job is not None:
        if job.is_stopping:
            return f"{job.id} {job.status} (its handler is being stopped)"
        return f"{job.id} {state_of(job)}"
    if (job := await client.get(job_id)) is None:
        raise Refused(f"there is no job {job_id}")
    raise Refused(f"job {job_id} is {state_of(job)}: expected {', '.join(only_from)}")


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """Add what says which jobs: ids, or a selection."""
    return where_option(click.argument("job_ids", type=JOB_ID, nargs=-1)(command))


@click.command(cls=Command)
@_options
@pass_environment
def hold(environment: Environment, job_ids: tuple[int, ...], where: Selection | None) -> None:
    """Put jobs on Hold; one that runs is stopped."""
    _control(environment, "hold", job_ids, where)


@click.command(cls=Command)
@_options
@pass_environment
def release(environment: Environment, job_ids: tuple[int, ...], where: Selection | None) -> None:
    """Release jobs from Hold."""
    _control(environment, "release", job_ids, where)


@click.command("run-now", cls=Command)
@_options
@pass_environment
def run_now(environment: Environment, job_ids: tuple[int, ...], where: Selection | None) -> None:
    """Run jobs now, whatever their status; ended ones run again."""
    _control(environment, "run-now", job_ids, where)


@click.command(cls=Command)
@_options
@click.option("--tree", is_flag=True, help="Also all jobs beneath them: their children, and theirs.")
@pass_environment
def cancel(environment: Environment, job_ids: tuple[int, ...], where: Selection | None, tree: bool) -> None:
    """End jobs as Failed; one that runs is stopped."""
    if not tree:
        _control(environment, "cancel", job_ids, where)
    elif where is not None or not job_ids:
        raise click.UsageError("--tree goes with the ids of jobs.")
    else:
        _control_each(environment, cancel_tree, job_ids)


def _control(environment: Environment, name: str, job_ids: tuple[int, ...], where: Selection | None) -> None:
    if (where is None) == (not job_ids):
        raise click.UsageError("Give the ids of jobs, or --where.")
    if where == Selection():
        raise click.UsageError(
            "--where is empty, which means every job: write --where 'name:*' if you mean that."
        )
    if where is None:
        write = partial(_run, environment) if name == "run-now" else partial(control, name=name)
        _control_each(environment, write, job_ids)
    else:
        control_selected(environment, CONTROLS[name], where)


async def _run(environment: Environment, client: Client, job_id: int) -> str:
    """Run a job now, warn where something keeps it from it, and return the state that it is in. Raise Refused."""
    written = await control(client, job_id, "run-now")
    reason = await reason_of(environment, client, job_id)
    if reason.kind in {*NAME_KINDS, "limit"}:
        warn(job_id, reason)
    return written


async def cancel_tree(client: Client, job_id: int) -> str:
    """Cancel a job and all beneath it, and return how many these were. Raise Refused."""
    try:
        cancelled = await client.cancel_tree(job_id)
    except RuntimeError as error:
        raise Refused(str(error)) from error
    if cancelled:
        return f"{job_id} and beneath it: {plural(cancelled, 'job')} cancelled"
    if await client.get(job_id) is None:
        raise Refused(f"there is no job {job_id}")
    raise Refused(f"job {job_id} has ended, and so has all beneath it")


def _control_each(environment: Environment, write: Write, job_ids: Sequence[int]) -> None:
    refusals = environment.run(_write_each(environment, write, job_ids))
    if refusals:
        raise Failure("\n".join(refusals))


async def _write_each(environment: Environment, write: Write, job_ids: Sequence[int]) -> list[str]:
    """Return why some were refused."""
    refusals = []
    async with environment.client() as client:
        for job_id in job_ids:
            try:
                say(await write(client, job_id))
            except Refused as refusal:
                refusals.append(str(refusal))
    return refusals
