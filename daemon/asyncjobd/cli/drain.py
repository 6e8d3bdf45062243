"""`asyncjobd drain`."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import click

from asyncjobd.cli.environment import Environment, pass_environment
from asyncjobd.cli.failures import Failure
from asyncjobd.cli.group import Command
from asyncjobd.cli.operators import run_as_operator
from asyncjobd.cli.option_values import to_duration
from asyncjobd.monitoring.units import plural
from asyncjobd.monitoring.why.names import guess
from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.database import Database

INTERVAL = 0.5  # seconds between two looks at what still runs


@click.command(cls=Command)
@click.argument("daemon")
@click.option("--wait", is_flag=True, help="Wait until it runs nothing any more.")
@click.option("--timeout", callback=to_duration, metavar="DURATION", help="Wait no longer than this.")
@click.option("--undo", is_flag=True, help="Let it claim jobs again.")
@pass_environment
def drain(environment: Environment, daemon: str, wait: bool, timeout: timedelta | None, undo: bool) -> None:
    """Let DAEMON claim nothing more. What runs goes on, and the daemon does not end."""
    if undo and wait:
        raise click.UsageError("--undo and --wait exclude each other")
    if timeout is not None and not wait:
        raise click.UsageError("--timeout is for --wait")
    jobs = environment.run(_drain(environment, daemon, timeout, is_undone=undo, is_waiting=wait))
    click.echo(f"{daemon} claims again" if undo else f"{daemon} drains: it has {plural(jobs, 'job')}")


async def _drain(
    environment: Environment, name: str, timeout: timedelta | None, *, is_undone: bool, is_waiting: bool
) -> int:
    """Set or undo it, and return how many jobs the daemon has then or, if that is waited for, at the end."""
    async with environment.database() as database:
        connection = await database.connect("operator")
        try:
            rows = await run_as_operator(
                connection, database, "control/drain_daemons", name=name, is_draining=not is_undone
            )
            if not rows:
                known = [
                    row["name"] for row in await connection.fetch(*database.query("inspect/list_daemons"))
                ]
                raise Failure(f"there is no daemon {name!r}{guess(name, set(known))}")
            ids = [row["id"] for row in rows]
            if is_waiting:
                await _wait(connection, database, name, ids, timeout)
            return await _count(connection, database, ids)
        finally:
            connection.terminate()


async def _wait(
    connection: Connection, database: Database, name: str, ids: Sequence[int], timeout: timedelta | None
) -> None:
    """Wait until the daemon has no job, and has none at a second look: a claim may have been under way."""
    idle_looks = jobs = 0
    try:
        async with asyncio.timeout(None if timeout is None else timeout.total_seconds()):
            while idle_looks < 2:
                jobs = await _count(connection, database, ids)
                idle_looks = 0 if jobs else idle_looks + 1
                await asyncio.sleep(INTERVAL)
    except TimeoutError:
        raise Failure(f"{name} still has {plural(jobs, 'job')}") from None


async def _count(connection: Connection, database: Database, ids: Sequence[int]) -> int:
    return int(await connection.fetchval(*database.query("control/count_jobs", daemon_ids=ids)))
