"""The commands that control an action in all daemons: pause, resume and limit."""

from datetime import datetime, timedelta
from shlex import quote

import click
import msgspec

from asyncjobd.cli.completion import complete_action
from asyncjobd.cli.environment import Environment, pass_environment
from asyncjobd.cli.group import Command
from asyncjobd.cli.operators import control_action, read_controls
from asyncjobd.cli.option_values import NONE, Pause, limit_options, pause_options
from asyncjobd.monitoring.limits import listed, next_start


@click.command(cls=Command)
@click.argument("name", shell_complete=complete_action)
@pause_options
@pass_environment
def pause(environment: Environment, name: str, lasts: timedelta | None, until: datetime | None) -> None:
    """Pause the action NAME: no daemon starts a job of it. What runs goes on, and jobs may be inserted."""
    now = datetime.now().astimezone()
    asked = Pause.of(lasts, until, now)
    environment.run(
        control_action(environment, "control/pause_action", name=name, lasts=asked.lasts, until=asked.until)
    )
    click.echo(asked.told(name, f"asyncjobd resume {quote(name)}", now))


@click.command(cls=Command)
@click.argument("name", shell_complete=complete_action)
@pass_environment
def resume(environment: Environment, name: str) -> None:
    """End the pause of the action NAME."""
    environment.run(control_action(environment, "control/pause_action", name=name, lasts=None, until=None))
    click.echo(f"{name} goes on")


@click.command(cls=Command)
@click.argument("name", shell_complete=complete_action)
@limit_options(takes_none=True)
@pass_environment
def limit(environment: Environment, /, name: str, **limits: int | str | None) -> None:
    """Limit the jobs of the action NAME, or show its limits.

    What is not named stays. A limit counts from the next claim on, until the configuration says another. `none` removes
    it.
    """
    wanted = {key: None if value == NONE else value for key, value in limits.items() if value is not None}
    if wanted:
        encoded = msgspec.json.encode(wanted).decode()
        environment.run(control_action(environment, "control/limit_action", name=name, limits=encoded))
    row = environment.run(read_controls(environment, name))
    now = "" if row["running_in_all"] is None else f"; {row['running_in_all']} run"
    if row["next_start_in"] is not None:
        now += f", {next_start(row['next_start_in'])}"
    click.echo(f"{name}: {listed(row['limits'])}{now}")
