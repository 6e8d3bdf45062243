"""Orders to all jobs of a selection, with their progress."""

from time import monotonic

import click

from asyncjobd.cli.environment import Environment
from asyncjobd.cli.failures import Failure
from asyncjobd.cli.streams import say
from asyncjobd.monitoring.controls import Control
from asyncjobd.monitoring.orders import Progress, order
from asyncjobd.monitoring.selection import Selection
from asyncjobd.monitoring.units import plural

SECONDS_BETWEEN_LINES = 1.0


def control_selected(environment: Environment, control: Control, selection: Selection) -> None:
    """Write the status to all jobs of a selection, and say how far that is, and in the end what came of it.

    Raise Failure where others have locked some of them or PostgreSQL refuses some, and where it is interrupted.
    """
    progress = Progress()
    try:
        environment.run(_control_selected(environment, control, selection, progress))
    except KeyboardInterrupt:
        raise Failure(f"stopped after job {progress.reached}: {_said(progress, control)}") from None
    if progress.locked:
        raise Failure(f"{_said(progress, control)}; {progress.locked:,} are locked by others: try again")
    if progress.refused:
        raise Failure(_said(progress, control))
    click.echo(_said(progress, control))


async def _control_selected(
    environment: Environment, control: Control, selection: Selection, progress: Progress
) -> None:
    told_at = monotonic()
    async with environment.client() as client:
        async for _ in order(client.pool.fetch, selection, control.status, control.only_from, progress):
            if monotonic() - told_at >= SECONDS_BETWEEN_LINES:
                told_at = monotonic()
                say(f"up to job {progress.reached}: {_said(progress, control)}", err=True)


def _said(progress: Progress, control: Control) -> str:
    said = f"{plural(progress.written, 'job')} set to {control.status}"
    if progress.unfit:
        said += f"; {progress.unfit:,} left as they are: not {', '.join(control.only_from)}"
    if progress.taken:
        said += f"; {progress.taken:,} left as they are: another job has their key"
    if progress.refused:
        said += (
            f"; {progress.refused:,} left as they are: PostgreSQL refuses to change them: {progress.refusal}"
        )
    return said
