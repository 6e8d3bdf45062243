"""The commands on schedules."""

import shlex
from datetime import datetime, timedelta
from typing import Any

import click
import msgspec

from asyncjobd.builder import JobBuilder
from asyncjobd.cli.check_params import check_params
from asyncjobd.cli.completion import complete_action
from asyncjobd.cli.environment import Environment, pass_environment
from asyncjobd.cli.failures import EXIT_USAGE, Failure
from asyncjobd.cli.grid import Column, print_grid
from asyncjobd.cli.group import Group, json_option
from asyncjobd.cli.operators import control_schedule, known_names, run_as_operator, unserved
from asyncjobd.cli.option_values import Pause, pause_options, to_time
from asyncjobd.cli.printing import print_json, print_value, width
from asyncjobd.cli.schedule_run import run_now
from asyncjobd.cli.streams import say
from asyncjobd.config.calendars import Calendar, CalendarError, Cron
from asyncjobd.config.durations import format_duration
from asyncjobd.config.model import ScheduleConfig
from asyncjobd.config.tables import TableError, to_struct
from asyncjobd.monitoring.given_params import read_params
from asyncjobd.monitoring.schedules import (
    Row,
    calendar_in,
    list_schedules,
    next_of,
    next_times,
    policy_of,
    schedule_state,
    words_of,
)
from asyncjobd.monitoring.times import full_time
from asyncjobd.monitoring.units import one_line
from asyncjobd.monitoring.values import text
from asyncjobd.monitoring.why.names import guess

MOST_TIMES = 1000  # that `next` prints
INDENT = 15


@click.group(cls=Group)
def schedule() -> None:
    """Insert jobs at the times of a calendar."""


@schedule.command("list")
@json_option
@pass_environment
def list_all(environment: Environment, as_json: bool) -> None:
    """List the schedules: when their times are, and what keeps them from firing."""
    rows = environment.run(_read(environment, None))
    if as_json:
        print_json([_as_json(row) for row in rows])
        return
    now = datetime.now().astimezone()
    columns = [
        Column("SCHEDULE", gives=True), Column("times", gives=True), Column("job", gives=True),
        Column("next", gives=True), Column("last"), Column("state", gives=True),
    ]  # fmt: skip
    cells = [
        [one_line(row["name"]), words_of(row), one_line(row["job_name"]), next_of(row, now),
         full_time(row["last_at"], now), schedule_state(row, now)]
        for row in rows
    ]  # fmt: skip
    print_grid(columns, cells, empty="no schedules: `asyncjobd schedule add` makes one")


@schedule.command()
@click.argument("name")
@json_option
@pass_environment
def show(environment: Environment, name: str, as_json: bool) -> None:
    """Show the schedule NAME."""
    (row,) = environment.run(_read(environment, name))
    if as_json:
        print_json(_as_json(row))
        return
    now = datetime.now().astimezone()
    last = full_time(row["last_at"], now)
    shown = {
        "times": words_of(row),
        "cron": row["cron"],
        "job": row["job_name"],
        "params": row["params"],
        "next": next_of(row, now),
        "last": f"{last}: asyncjobd show {row['last_job_id']}" if last else "",
        "state": schedule_state(row, now),
        "policy": policy_of(row),
        "of its jobs": ", ".join(
            f"{key} {text(row[key])}"
            for key in ("priority", "max_execution_count", "timeout", "limit_key")
            if row[key]
        ),
        "written by": f"the configuration of {row['configured_by']}" if row["configured_by"] else "SQL",
    }
    for key, value in shown.items():
        if value:
            print_value(key, text(value), width(), INDENT)


@schedule.command()
@click.argument("name")
@click.argument("job_name", shell_complete=complete_action)
@click.argument("params", default="{}")
@click.option("--cron", metavar="LINE", help='Such as "30 2 * * MON-FRI", or @daily; with seconds: 6 fields.')
@click.option("--time-zone", metavar="ZONE", help='Of the cron line, such as "Europe/Berlin". Default: UTC.')
@click.option("--every", metavar="DURATION", help='In place of --cron: such as "15 min".')
@click.option(
    "--anchor", callback=to_time, metavar="TIME", help="Where --every begins. Default: 2001-01-01 UTC."
)
@click.option(
    "--catch-up", type=click.Choice(["none", "one", "all"]), help="Times that have passed. Default: one."
)
@click.option(
    "--catch-up-for", metavar="DURATION", help="Times before that are not caught up. Default: 1 day."
)
@click.option(
    "--overlap",
    type=click.Choice(["skip", "queue", "allow"]),
    help="While the last job is open. Default: skip.",
)
@click.option("--jitter", metavar="DURATION", help="The most by which a job starts later. Default: 0 s.")
@click.option("--priority", type=int, help="Of its jobs; lower starts first.")
@click.option("--max-execution-count", type=int, help="How often each of its jobs is tried.")
@click.option("--timeout", metavar="DURATION", help='The longest execution, such as "10 min".')
@click.option("--limit-key", help="Whom its jobs count for in limits per key.")
@click.option("--no-check", is_flag=True, help="Add it also where the params do not fit the handler.")
@pass_environment
def add(
    environment: Environment, /, name: str, job_name: str, params: str, no_check: bool, **given: Any
) -> None:
    """Add a schedule NAME, which inserts jobs called JOB_NAME. PARAMS is a JSON value."""
    columns = _columns(
        name, job_name, params, {key: value for key, value in given.items() if value is not None}
    )
    environment.run(_add(environment, columns, is_checked=not no_check))
    click.echo(f"{name} is added: asyncjobd schedule show {shlex.quote(name)}")


@schedule.command()
@click.argument("name")
@pause_options
@pass_environment
def pause(environment: Environment, name: str, lasts: timedelta | None, until: datetime | None) -> None:
    """Pause the schedule NAME. Its times until the end of the pause make no jobs, also not later."""
    now = datetime.now().astimezone()
    asked = Pause.of(lasts, until, now)
    environment.run(
        control_schedule(
            environment, "control/pause_schedule", name=name, lasts=asked.lasts, until=asked.until
        )
    )
    click.echo(asked.told(name, f"asyncjobd schedule resume {shlex.quote(name)}", now))


@schedule.command()
@click.argument("name")
@pass_environment
def resume(environment: Environment, name: str) -> None:
    """End the pause of the schedule NAME."""
    environment.run(
        control_schedule(environment, "control/pause_schedule", name=name, lasts=None, until=None)
    )
    click.echo(f"{name} goes on")


@schedule.command()
@click.argument("name")
@pass_environment
def run(environment: Environment, name: str) -> None:
    """Have the schedule NAME insert its job now; its other times stay as they are."""
    click.echo(environment.run(run_now(environment, name)))


@schedule.command("next")
@click.argument("count", type=click.IntRange(1, MOST_TIMES))
@click.argument("name", required=False)
@click.option("--cron", metavar="LINE", help="In place of NAME: a cron line that may not be in use yet.")
@click.option("--time-zone", default="UTC", metavar="ZONE", help="Of --cron. Default: UTC.")
@pass_environment
def show_next(
    environment: Environment, count: int, name: str | None, cron: str | None, time_zone: str
) -> None:
    """Print the next COUNT times of the schedule NAME or of a cron line, in its zone and in UTC."""
    if (name is None) == (cron is None):
        raise click.UsageError("expected either NAME or --cron")
    try:
        if cron is not None:
            calendar: Calendar = Cron(cron, time_zone)
        else:
            (row,) = environment.run(_read(environment, name))
            calendar = calendar_in(row)
    except CalendarError as error:
        raise Failure(str(error), EXIT_USAGE if cron is not None else 1) from error
    click.echo(calendar.words)
    for time in next_times(calendar, count, datetime.now().astimezone()):
        click.echo(time)


def _columns(name: str, job_name: str, params: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of a new schedule. Raise UsageError, which says what is wrong with an option."""
    try:
        new = to_struct(ScheduleConfig, {"job_name": job_name, "params": read_params(params), **given})
    except TableError as error:
        raise click.UsageError(
            "; ".join(f"{_option(key)}: {reason}" for key, reason in error.problems)
        ) from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if new.conflict is not None:
        key, reason = new.conflict
        raise click.UsageError(f"{_option(key)}: {reason}" if key else reason)
    return new.columns(name)


def _option(key: str) -> str:
    return f"--{key.replace('_', '-')}"


async def _add(environment: Environment, columns: dict[str, Any], *, is_checked: bool) -> None:
    async with environment.client() as client:
        if is_checked:
            job = JobBuilder(columns["job_name"]).set_params(columns["params"]).build()
            await check_params(environment.config, client, job)
    async with environment.database() as database:
        connection = await database.connect("operator")
        try:
            encoded = msgspec.json.encode(columns).decode()
            if not await run_as_operator(connection, database, "control/add_schedule", schedule=encoded):
                raise Failure(f"there is a schedule {columns['name']!r} already")
            known = await known_names(environment, connection, database)
            if columns["job_name"] not in known:
                say(f"Warning: {unserved(columns['job_name'], known)}", err=True)
        finally:
            connection.terminate()


async def _read(environment: Environment, name: str | None) -> list[Row]:
    """Return the schedules, or the one of a name. Raise Failure where there is none of it."""
    async with environment.database() as database:
        connection = await database.connect("schedules")
        try:
            rows = await list_schedules(connection, database, name)
            if name is not None and not rows:
                known = await list_schedules(connection, database)
                raise Failure(f"there is no schedule {name!r}{guess(name, set(known))}")
        finally:
            connection.terminate()
    return list(rows.values())


def _as_json(row: Row) -> Row:
    """Return a row of list_schedules.sql as JSON has it."""
    shown = {key: value for key, value in row.items() if key != "now"}
    return shown | {
        "params": msgspec.json.decode(row["params"]),
        "words": words_of(row),
        "state": schedule_state(row, row["now"].astimezone()),
        **{
            key: format_duration(row[key])
            for key in ("every", "timeout", "catch_up_for", "jitter")
            if row[key]
        },
    }
