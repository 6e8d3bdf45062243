"""Options that take times, durations, ids and limits as people write them."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

import click

from asyncjobd.cli.job_id import JOB_ID
from asyncjobd.config.durations import SHORTEST, parse_duration
from asyncjobd.config.rates import check_rate
from asyncjobd.monitoring.limits import option_of
from asyncjobd.monitoring.selection import Selection, SelectionError, parse_selection
from asyncjobd.monitoring.times import full_time, parse_past, parse_time
from asyncjobd.postgres.text import not_utf8

NONE = "none"  # removes a limit
MOST_PLACES = 2**31 - 1
TRIES = click.IntRange(1, 2**31 - 1)
MOST_BURST = 1_000_000
LIMIT_HELP = {
    "max_running": "The most jobs of it at a time, in all daemons.",
    "max_running_per_key": "The most of each limit_key.",
    "rate": 'How often jobs of it start, such as "100 per minute".',
    "rate_per_key": "How often jobs of each limit_key start.",
    "burst": "How many start at once, at either rate.",
    "max_running_per_daemon": "The most that a daemon has at a time.",
}


def to_time(_context: click.Context, _option: click.Parameter, value: str | None) -> datetime | None:
    """Return the time that an option means. Raise BadParameter, which says the forms that are understood."""
    try:
        return None if value is None else parse_time(value, datetime.now().astimezone())
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(str(error)) from error


def to_past_time(_context: click.Context, _option: click.Parameter, value: str | None) -> datetime | None:
    """Return the past time that an option means. Raise BadParameter, which says the forms that are understood."""
    if value is None:
        return None
    now = datetime.now().astimezone()
    try:
        given = parse_past(value, now).astimezone()
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(str(error)) from error
    if given > now:
        raise click.BadParameter("that is in the future")
    return given


def to_duration(_context: click.Context, _option: click.Parameter, value: str | None) -> timedelta | None:
    """Return the duration that an option means. Raise BadParameter, which says what to write."""
    try:
        return None if value is None else parse_duration(value, at_least=SHORTEST)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


since_option = click.option(
    "--since", callback=to_past_time, metavar="TIME", help="Such as 02:00, 90m, 2h, 3d or 2026-11-28T02:00."
)


class Pause(NamedTuple):
    """How long a pause lasts, or until when, as SQL takes it; `end`: when that is, None: never."""

    lasts: timedelta | None
    until: str
    end: datetime | None

    @classmethod
    def of(cls, lasts: timedelta | None, until: datetime | None, now: datetime) -> "Pause":
        """Return the pause that --for and --until mean. Raise UsageError where they do not."""
        if lasts is not None and until is not None:
            raise click.UsageError("--for and --until exclude each other")
        if until is not None and until <= now:
            raise click.BadParameter("it is past", param_hint="--until")
        end = until if lasts is None else now + lasts
        return cls(lasts, "infinity" if until is None else until.isoformat(), end)

    def told(self, name: str, resume: str, now: datetime) -> str:
        """Return until when it is, which may be the command that ends it."""
        return f"{name} is paused until {resume if self.end is None else full_time(self.end, now)}"


def pause_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a Pause."""
    for add in (
        click.option(
            "--until", callback=to_time, metavar="TIME", help='Until when, such as "tomorrow 9:30".'
        ),
        click.option(
            "--for", "lasts", callback=to_duration, metavar="DURATION", help='How long, such as "2 hours".'
        ),
    ):
        command = add(command)
    return command


def _to_selection(_context: click.Context, _option: click.Parameter, value: str | None) -> Selection | None:
    if value is not None and (problem := not_utf8(value)):
        raise click.BadParameter(problem)
    try:
        return None if value is None else parse_selection(value, datetime.now().astimezone())
    except SelectionError as error:
        raise click.BadParameter(str(error)) from error


where_option = click.option(
    "--where",
    callback=_to_selection,
    metavar="SELECTION",
    help='Jobs such as "name:Pay* status:failed since:2h".',
)


def to_ids(context: click.Context, option: click.Parameter, value: str | None) -> list[int] | None:
    """Return the ids that an option names. Raise BadParameter, which says what to write."""
    try:
        numbers = [] if value is None else [int(each) for each in value.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no list of ids: write 41,42") from error
    return None if value is None else [JOB_ID.convert(number, option, context) for number in numbers]


def limit_options(*, takes_none: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that adds an option for each limit, as `asyncjobd limit` has them."""

    def to_limit(_context: click.Context, option: click.Parameter, value: str | None) -> int | str | None:
        if value is None or (takes_none and value == NONE):
            return value
        if option.name in {"rate", "rate_per_key"}:
            try:
                return check_rate(value)
            except ValueError as error:
                raise click.BadParameter(str(error)) from error
        least, most = (1, MOST_BURST) if option.name == "burst" else (0, MOST_PLACES)
        if re.fullmatch("[0-9]{1,10}", value) and least <= int(value) <= most:
            return int(value)
        raise click.BadParameter(
            f"{value!r} is no number from {least} to {most}{' and not none' * takes_none}"
        )

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for name, text in reversed(LIMIT_HELP.items()):
            kind = "RATE" if name.startswith("rate") else "N"
            metavar = f"{kind}|{NONE}" if takes_none else kind
            command = click.option(option_of(name), name, callback=to_limit, metavar=metavar, help=text)(
                command
            )
        return command

    return add
