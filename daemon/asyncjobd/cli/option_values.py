"""Callbacks of options that take times, durations and ids as people write them."""

from datetime import datetime, timedelta

import click

from asyncjobd.cli.times import parse_time
from asyncjobd.config.durations import SHORTEST, parse_duration


def to_time(_context: click.Context, _option: click.Parameter, value: str | None) -> datetime | None:
    """Return the time that an option means. Raise BadParameter, which says the forms that are understood."""
    try:
        return None if value is None else parse_time(value, datetime.now().astimezone())
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(str(error)) from error


def to_duration(_context: click.Context, _option: click.Parameter, value: str | None) -> timedelta | None:
    """Return the duration that an option means. Raise BadParameter, which says what to write."""
    try:
        return None if value is None else parse_duration(value, at_least=SHORTEST)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def to_ids(_context: click.Context, _option: click.Parameter, value: str | None) -> list[int] | None:
    """Return the ids that an option names. Raise BadParameter, which says what to write."""
    try:
        return None if value is None else [int(each) for each in value.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no list of ids: write 41,42") from error
