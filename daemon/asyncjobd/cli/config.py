"""`asyncjobd config init`, `config check` and `config schema`."""

import asyncio
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click
import msgspec

from asyncjobd.cli.environment import LOCAL_CONFIG, Environment, pass_environment
from asyncjobd.cli.failures import EXIT_CONFIG, Failure
from asyncjobd.cli.group import Group
from asyncjobd.cli.printing import print_json
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.example import example
from asyncjobd.config.load import load_config
from asyncjobd.config.model import Config
from asyncjobd.config.schema import schema
from asyncjobd.monitoring.limits import list_controls, told
from asyncjobd.monitoring.retries import delays, exceptions, has_backoff
from asyncjobd.monitoring.schedules import next_times
from asyncjobd.monitoring.units import plural
from asyncjobd.monitoring.why.names import guess
from asyncjobd.params import ParamsError
from asyncjobd.postgres.outage import FAILURES

NEXT_TIMES = 3  # of a schedule that are shown
PATIENCE = 5.0  # seconds for the database to say which limits SQL has changed


@click.group(cls=Group)
def config() -> None:
    """Make or check a configuration file."""


@config.command()
@click.argument("path", type=click.Path(path_type=Path), default=str(LOCAL_CONFIG))
def init(path: Path) -> None:
    """Write a commented configuration file to PATH (default: config.toml)."""
    try:
        with path.open("x") as file:
            file.write(example())
    except FileExistsError:
        raise Failure(f"{path} exists already") from None
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from error
    click.echo(
        f"wrote {path}; name it in each command, such as: asyncjobd run --config {path}\n"
        f"or once for this shell: export ASYNCJOBD_CONFIG={os.path.abspath(path)}"  # noqa: PTH100
    )


@config.command()
@pass_environment
def check(environment: Environment) -> None:
    """Check the configuration, and import every handler.

    All that is wrong is said, the next times of each schedule, and which limits SQL has changed.
    """
    path = environment.config_path
    if path is None:
        unused = environment.unused_file
        hint = f"add --config {unused}" if unused else "`asyncjobd config init` makes one"
        raise Failure(
            f"no configuration file is named, and none is at the default places: {hint}", EXIT_CONFIG
        )
    try:
        loaded = load_config(path)
    except ConfigError as error:
        raise Failure(str(error), EXIT_CONFIG) from error
    problems = [*_problems(loaded), *_params_problems(loaded)]
    if problems:
        raise Failure("\n".join(problems), EXIT_CONFIG)
    counted = [plural(len(loaded.actions), "action")]
    if loaded.schedules:
        counted.append(plural(len(loaded.schedules), "schedule"))
    click.echo(f"{path}: good, {', '.join(counted)}")
    for line in (*_failures(loaded), *_schedules(loaded)):
        click.echo(line)
    for line in environment.run(_changed_limits(environment, loaded)):
        click.echo(line)


@config.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    print_json(schema())


def _schedules(config: Config) -> Iterator[str]:
    """Yield what each schedule means, and its next times."""
    now = datetime.now().astimezone()
    for name, schedule in config.schedules.items():
        yield f"{name}: {schedule.calendar.words}"
        for time in next_times(schedule.calendar, NEXT_TIMES, now):
            yield f"  {time}"
        if schedule.job_name not in config.actions:
            yield f"  no action of this file is {schedule.job_name!r}{guess(schedule.job_name, set(config.actions))}"


def _failures(config: Config) -> list[str]:
    """Return what becomes of failures, of each action that says more of it than a retry_interval."""
    lines = []
    for name, action in config.actions.items():
        row = msgspec.structs.asdict(action)
        said = [f"retries after {delays(row)}"] if has_backoff(row) else []
        if words := "; ".join([*said, *filter(None, [exceptions(row)])]):
            lines.append(f"{name}: {words}")
    return lines


async def _changed_limits(environment: Environment, config: Config) -> list[str]:
    """Return which limits of this configuration SQL has changed; none where no database can be asked."""
    try:
        if environment.source is None:
            return []
        async with asyncio.timeout(PATIENCE), environment.any_database() as database:
            connection = await database.connect("config check")
            rows = await list_controls(connection, database)
            connection.terminate()
    except (*FAILURES, ConfigError, Failure):  # a reload under systemd may not read the credential
        return []
    return [
        f"{name}: {changed}"
        for name, row in rows.items()
        if (changed := told(row))
        and (action := config.actions.get(name)) is not None
        and action.limits == row["configured"]  # else the file goes first
    ]


def _params_problems(config: Config) -> Iterator[str]:
    """Yield which schedules have params that the handler of their action does not take."""
    from asyncjobd.actions.catalog import load_action

    for name, schedule in config.schedules.items():
        try:
            if schedule.job_name in config.actions:
                params = load_action(config, schedule.job_name).handler.params
                params.check(msgspec.json.encode(schedule.params).decode())
        except ParamsError as error:
            yield f"{config.path}: [schedules.{name}] params: {error}"
        except ConfigError:  # its action is among the problems
            continue


def _problems(config: Config) -> list[str]:
    """Return what is wrong with values that can only be checked by using them."""
    from asyncjobd.actions.catalog import load_actions
    from asyncjobd.observability.logging.processors import load_processors
    from asyncjobd.observability.metrics.server import collector_class
    from asyncjobd.postgres.dsn import normalize_dsn

    problems = []
    for use in (
        load_actions,
        load_processors,
        collector_class,
        lambda config: config.database.dsn and normalize_dsn(config.database.dsn),
    ):
        try:
            use(config)
        except ConfigError as error:
            problems.append(str(error))
    return problems
