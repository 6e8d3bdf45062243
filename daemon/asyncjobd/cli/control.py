"""The commands that tell jobs what to do: hold, release, run-now and cancel."""

from collections.abc import Sequence
from typing import NamedTuple

import click

from asyncjobd.cli.environment import Environment, Failure
from asyncjobd.client import Client
from asyncjobd.job import Status

LIVE = (Status.QUEUED, Status.IN_PROGRESS, Status.HOLD)


class Order(NamedTuple):
    status: Status
    only_from: tuple[Status, ...]


ORDERS = {
    "hold": Order(Status.HOLD, LIVE),
    "release": Order(Status.QUEUED, (Status.HOLD,)),
    "run-now": Order(Status.IN_PROGRESS, tuple(Status)),
    "cancel": Order(Status.FAILED, LIVE),
}


class Refused(Exception):
    """There is no such job, or not in a status that the order is for; the text says which."""


async def give(client: Client, order: str, job_id: int) -> str:
    """Gives one of ORDERS and answers what the job is then; raises Refused."""
    status, only_from = ORDERS[order]
    job = await client.set_status(job_id, status, only_from=only_from)
    if job is not None:
        return f"{job.id} {job.status}" + (" (its handler is being stopped)" if job.is_stopping else "")
    if (job := await client.get(job_id)) is None:
        raise Refused(f"there is no job {job_id}")
    raise Refused(f"job {job_id} is {job.status}: expected {', '.join(only_from)}")


@click.command()
@click.argument("job_ids", type=int, nargs=-1, required=True)
@click.pass_obj
def hold(environment: Environment, job_ids: tuple[int, ...]) -> None:
    """Put jobs on Hold; one that runs is stopped."""
    _give_each(environment, "hold", job_ids)


@click.command()
@click.argument("job_ids", type=int, nargs=-1, required=True)
@click.pass_obj
def release(environment: Environment, job_ids: tuple[int, ...]) -> None:
    """Release jobs from Hold."""
    _give_each(environment, "release", job_ids)


@click.command("run-now")
@click.argument("job_ids", type=int, nargs=-1, required=True)
@click.pass_obj
def run_now(environment: Environment, job_ids: tuple[int, ...]) -> None:
    """Run jobs now, whatever their status; ended ones run again."""
    _give_each(environment, "run-now", job_ids)


@click.command()
@click.argument("job_ids", type=int, nargs=-1, required=True)
@click.pass_obj
def cancel(environment: Environment, job_ids: tuple[int, ...]) -> None:
    """End jobs as Failed; one that runs is stopped."""
    _give_each(environment, "cancel", job_ids)


def _give_each(environment: Environment, order: str, job_ids: Sequence[int]) -> None:
    refusals = environment.run(_write_each(environment, order, job_ids))
    if refusals:
        raise Failure("\n".join(refusals))


async def _write_each(environment: Environment, order: str, job_ids: Sequence[int]) -> list[str]:
    refusals = []
    async with environment.client() as client:
        for job_id in job_ids:
            try:
                click.echo(await give(client, order, job_id))
            except Refused as refusal:
                refusals.append(str(refusal))
    return refusals
