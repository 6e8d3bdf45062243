"""`asyncjobd history`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import click
from rich.text import Text

from asyncjobd.cli.completion import complete_action
from asyncjobd.cli.dashboard.sections import WIDE, bar
from asyncjobd.cli.environment import Environment, pass_environment
from asyncjobd.cli.failures import Failure
from asyncjobd.cli.grid import ROOMY, Column, grid
from asyncjobd.cli.group import Command, json_option
from asyncjobd.cli.option_values import since_option
from asyncjobd.cli.printing import print_json, print_lines
from asyncjobd.cli.printing import width as terminal_width
from asyncjobd.cli.sparkline import sparkline
from asyncjobd.config.durations import format_duration
from asyncjobd.monitoring.history import TRANSITIONS, Figures, History, read_history
from asyncjobd.monitoring.run import run_on
from asyncjobd.monitoring.times import full_time
from asyncjobd.monitoring.units import count, duration, median_and_p99, one_line, rate
from asyncjobd.monitoring.why.names import guess
from asyncjobd.postgres.database import Use

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
COLUMNS = [
    *(Column(name, "right") for name in TRANSITIONS), Column("rate", "right"), Column("wait p50/p99", "right"),
    Column("ran p50/p99", "right"), Column("ready", "right"), Column("queued", "right"), Column("held", "right"),
    Column("oldest", "right"),
]  # fmt: skip


@click.command(cls=Command)
@click.argument("name", required=False, shell_complete=complete_action)
@since_option
@json_option
@pass_environment
def history(environment: Environment, name: str | None, since: datetime | None, as_json: bool) -> None:
    """Show what has ended of the action NAME, how long it waited and ran, and how the queue stood.

    Without NAME, all actions together, and below that each in one line. Without --since, the last hour. Daemons write
    it once a minute.
    """
    now = datetime.now().astimezone()
    found = environment.run(_read(environment, name, since or now - HOUR, now))
    if as_json:
        print_json(_as_json(found, name))
        return
    print_lines(page(found, name, now, terminal_width()))


async def _read(environment: Environment, name: str | None, since: datetime, now: datetime) -> History:
    async with environment.database() as database:
        connection = await database.connect("history", Use.ENGINE)
        run = run_on(connection, database)
        try:
            found = await read_history(run, since, now, name)
            if name is not None and not found.names:
                known = {row["name"] for row in await run("upkeep/list_known_names")}
                if name not in known:
                    raise Failure(f"no daemon has ever served an action {name!r}{guess(name, known)}")
            return found
        finally:
            connection.terminate()


def _as_json(found: History, name: str | None) -> dict[str, Any]:
    return {
        "since": found.since,
        "until": found.until,
        "step_seconds": found.length.total_seconds(),
        **found.figures(name).as_dict(found.seconds),
        "steps": [step.as_dict() for step in found.steps(name)],
        "actions": {
            each: found.figures(each).as_dict(found.seconds) | {"ended_by_step": found.ended(each)}
            for each in found.names
        },
    }


def page(found: History, name: str | None, now: datetime, width: int | None) -> list[Text]:
    """Return all lines: the whole in one, the steps, and without a name the actions."""
    since = full_time(found.since, now)
    if not found.names:
        return [Text(f"nothing is known since {since}: daemons write what has ended once a minute")]
    whole = found.figures(name)
    shown = "all actions" if name is None else one_line(name)
    lines = [
        Text.assemble(
            (shown, "bold"), f"  {whole.ended:,} ended since {since}, by {format_duration(found.length)}"
        ),
        Text(),
        *_steps(found, name, width),
    ]
    return lines if name is not None else [*lines, Text(), *_actions(found, width)]


def _steps(found: History, name: str | None, width: int | None) -> list[Text]:
    """Return the table of the steps. One that nothing is known of stays empty."""
    steps = found.steps(name)
    most = max((step.figures.ended for step in steps if step.figures is not None), default=0) or 1
    has_bars = width is None or width >= ROOMY
    rows = [
        [
            _label(step.began_at, found),
            "" if step.figures is None or not has_bars else bar(step.figures.ended / most),
            *_cells(step.figures, step.seconds),
        ]
        for step in steps
    ]
    return _table([Column("FROM", "right"), Column("ended"), *COLUMNS], rows, width)


def _actions(found: History, width: int | None) -> list[Text]:
    """Return the table of the actions."""
    rows = [
        [
            one_line(name),
            *_cells(found.figures(name), found.seconds),
            sparkline(found.ended(name)) if width is None or width >= WIDE else "",
        ]
        for name in found.names
    ]
    return _table([Column("ACTION", gives=True), *COLUMNS, Column("ended")], rows, width)


def _table(columns: Sequence[Column], rows: Sequence[Sequence[str | Text]], width: int | None) -> list[Text]:
    title, *lines = grid(columns, rows, width)
    title.stylize("bold cyan")
    return [title, *lines]


def _label(began_at: datetime, found: History) -> str:
    """Return when a step begins: the time of day, and the day where there are several."""
    local = began_at.astimezone()
    day = f"{local:%a} {local.day} {local:%b}"
    if found.length >= DAY:
        return day
    return f"{local:%H:%M}" if found.seconds <= DAY.total_seconds() else f"{day} {local:%H:%M}"


def _cells(figures: Figures | None, seconds: float) -> list[str | Text]:
    """Return the cells of COLUMNS. Those that are 0 are empty, so that a column of nothing else is left out."""
    if figures is None:
        return [""] * len(COLUMNS)
    told = figures.as_dict(seconds)
    return [
        *(Text(str(told[name] or ""), "red" if name == "failed" else "") for name in TRANSITIONS),
        rate(told["rate"]),
        median_and_p99(told["waited"]),
        median_and_p99(told["ran"]),
        *(count(told[name]) if told[name] else "" for name in ("ready", "queued", "held")),
        duration(told["oldest_ready"]),
    ]
