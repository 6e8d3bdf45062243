"""The commands that control an action in all daemons: pause, resume and limit."""

from datetime import datetime, timedelta

import click

from asyncjobd.cli.environment import Environment, pass_environment
from asyncjobd.cli.group import Command
from asyncjobd.cli.operators import control_action
from asyncjobd.cli.option_values import to_duration, to_time
from asyncjobd.cli.times import full_time


@click.command(cls=Command)
@click.argument("name")
@click.option("--for", "lasts", callback=to_duration, metavar="DURATION", help='How long, such as "2 hours".')
@click.option("--until", callback=to_time, metavar="TIME", help='Until when, such as "tomorrow 9:30".')
@pass_environment
def pause(environment: Environment, name: str, lasts: timedelta | None, until: datetime | None) -> None:
    """Pause the action NAME: no daemon starts a job of it. What runs goes on, and jobs may be inserted."""
    now = datetime.now().astimezone()
    if lasts is not None and until is not None:
        raise click.UsageError("--for and --until exclude each other")
    if until is not None and until <= now:
        raise click.BadParameter("it is past", param_hint="--until")
    end = "infinity" if until is None else until.isoformat()
    environment.run(control_action(environment, "control/pause_action", name=name, lasts=lasts, until=end))
    until = until if lasts is None else now + lasts
    click.echo(
        f"{name} is paused until " + (f"asyncjobd resume {name}" if until is None else full_time(until, now))
    )


@click.command(cls=Command)
@click.argument("name")
@pass_environment
def resume(environment: Environment, name: str) -> None:
    """End the pause of the action NAME."""
    environment.run(control_action(environment, "control/pause_action", name=name, lasts=None, until=None))
    click.echo(f"{name} goes on")


def _to_limit(_context: click.Context, _option: click.Parameter, value: str) -> int | None:
    if value == "none":
        return None
    if not (value.isdecimal() and int(value) < 2**31):
        raise click.BadParameter(f"{value!r} is neither a number from 0 on nor none")
    return int(value)


@click.command(cls=Command)
@click.argument("name")
@click.option(
    "--per-daemon", required=True, callback=_to_limit, metavar="N|none",
    help="The most jobs of it that a daemon has at a time.",
)  # fmt: skip
@pass_environment
def limit(environment: Environment, name: str, per_daemon: int | None) -> None:
    """Limit the jobs of the action NAME. It counts from the next claim on, until the configuration says another."""
    environment.run(control_action(environment, "control/limit_action", name=name, per_daemon=per_daemon))
    click.echo(f"{name}: {'no limit' if per_daemon is None else f'at most {per_daemon}'} in each daemon")
