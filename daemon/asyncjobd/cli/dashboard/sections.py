"""The tables of `status` and `top`: daemons, actions, running jobs, failures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.text import Text

from asyncjobd.cli.dashboard.summary import more
from asyncjobd.cli.grid import ROOMY, Column, grid
from asyncjobd.cli.sparkline import sparkline
from asyncjobd.monitoring.health import lateness
from asyncjobd.monitoring.limits import reached, told
from asyncjobd.monitoring.overview import MOST_LISTED, Row, is_silent
from asyncjobd.monitoring.states import COLOURS, state_of_row
from asyncjobd.monitoring.times import short_time
from asyncjobd.monitoring.units import count, duration, median_and_p99, one_line, rate, shown_name

BAR_CELLS = 10
MOST_ACTIONS = 500  # that are shown: more take longer than anybody waits, or reads
WIDE = 120  # cells of a terminal that has room for the last hour
LATENESS = ("", "bold yellow", "bold red")  # styles, by the value of verdict.lateness


@dataclass(frozen=True, slots=True)
class Section:
    """A table: a line of titles, and lines below it, each with the id of its job. `is_all`: there are no more."""

    title: Text
    lines: Sequence[Text]
    job_ids: Sequence[int | None]
    is_all: bool = True

    @classmethod
    def of(
        cls, columns: Sequence[Column], rows: Sequence[Sequence[str | Text]], width: int | None
    ) -> "Section":
        """Return a table of these rows, which says "none" where there are none."""
        title, *lines = grid(columns, rows, width)
        title.stylize("bold cyan")
        return cls(title, lines or [Text("none", "dim")], [None] * max(len(lines), 1))


def of_daemons(rows: Sequence[Row], width: int | None) -> Section:
    """Return the table of the daemons."""
    columns = [
        Column("DAEMON", gives=True), Column("host", gives=True), Column("pid", "right"), Column("running"),
        Column("silent for", "right"), Column("version", gives=True),
    ]  # fmt: skip
    return Section.of(columns, [_of_daemon(row) for row in rows], width)


def _of_daemon(row: Row) -> list[str | Text]:
    running, concurrency = row["running"], row["concurrency"]
    return [
        Text(one_line(row["name"]), "bold red" if is_silent(row) else "bold"),
        one_line(row["host"]),
        str(row["pid"]),
        Text.assemble(bar(running / concurrency), f" {running}/{concurrency}", _draining(row)),
        Text(duration(row["silent_for"]), "bold red" if is_silent(row) else ""),
        one_line(row["version"]),
    ]


def _draining(row: Row) -> Text:
    return Text(" draining", "yellow") if row["is_draining"] else Text()


def of_actions(rows: Sequence[Row], width: int | None) -> Section:
    """Return the table of the actions: those with trouble first, then those with work. Why jobs wait is said below.

    Beyond MOST_ACTIONS it says how many there are.
    """
    columns = [
        Column("ACTION", gives=True), Column("ready", "right"), Column("oldest", "right"), Column("run", "right"),
        Column("queued", "right"), Column("held", "right"), Column("failed", "right"), Column("rate", "right"),
        Column("wait p50/p99", "right"), Column("ran p50/p99", "right"), Column("last hour"),
    ]  # fmt: skip
    hidden = len(rows) - MOST_ACTIONS
    rows = sorted(rows, key=_urgency)[:MOST_ACTIONS]
    is_wide = width is None or width >= WIDE
    section = Section.of(
        columns, [[*_of_action(row), _last_hour(row) if is_wide else ""] for row in rows], width
    )
    lines = []
    for row, line in zip(rows, section.lines, strict=False):  # an empty section has one line that says so
        lines.append(line)
        if row["waits_because"]:
            lines.append(Text(f"  └ {row['waits_because']}", "yellow"))
        if limit := reached(row):
            lines.append(Text(f"  └ {limit}", "yellow" if row["ready"] else "dim"))
        if changed := told(row):
            lines.append(Text(f"  └ {changed}", "dim"))
        if row["waiting"]:
            lines.append(Text(f"  └ {count(row['waiting'])} queued for other jobs to end", "dim"))
    if hidden > 0:
        lines.append(more(hidden))
    return Section(section.title, lines or section.lines, [None] * max(len(lines), 1), is_all=hidden <= 0)


def _urgency(row: Row) -> tuple[object, ...]:
    return (
        -lateness(row),
        not row["waits_because"],
        not (row["ready"] or row["running"] or row["rate"]),
        row["name"],
    )


def _of_action(row: Row) -> list[str | Text]:
    late = LATENESS[lateness(row)]
    has_daemons = row["waited"] or row["ran"] or row["rate"]
    return [
        Text(shown_name(row["name"]), late or ("bold" if row["is_active"] else "dim")),
        Text(count(row["ready"]), late or _dim_zero(row["ready"])),
        Text(duration(row["oldest_ready"]), late),
        Text(_running(row), _dim_zero(row["running"])),
        Text(count(row["queued"]), _dim_zero(row["queued"])),
        Text(count(row["held"]), "yellow" if row["held"] else "dim"),
        Text(count(row["failed"]), "red" if row["failed"] else "dim"),
        rate(row["rate"]) if has_daemons else "",
        median_and_p99(row["waited"]),
        median_and_p99(row["ran"]),
    ]


def _last_hour(row: Row) -> Text:
    """Return what ended in the last hour as bars; empty where the history tells of nothing."""
    return sparkline(row["last_hour"]) if any(row["last_hour"]) else Text()


def _running(row: Row) -> str:
    """Return how many jobs of an action run, of how many that may: 3/5."""
    most = row["limits"].get("max_running")
    return count(row["running"]) if most is None else f"{row['running']}/{most}"


def of_running(
    rows: Sequence[Row], picked: Sequence[Row], daemons: Sequence[Row], width: int | None
) -> Section:
    """Return the table of the running jobs; on top are picked ones that no list has (rows of get_job.sql)."""
    names = {daemon["id"]: one_line(daemon["name"]) for daemon in daemons}
    columns = [
        Column("RUNNING", "right"), Column("name", gives=True), Column("try", "right"), Column("for", "right"),
        Column("progress"), Column("message", gives=True), Column("daemon", gives=True),
    ]  # fmt: skip
    if width is not None and width < ROOMY:
        names = {}
    cells = [_of_picked(row) for row in picked] + [
        _of_running(row, names.get(row["daemon_id"], "")) for row in rows
    ]
    section = Section.of(columns, cells, width)
    ids = [row["id"] for row in (*picked, *rows)] or section.job_ids
    return Section(section.title, section.lines, ids, is_all=len(rows) < MOST_LISTED)


def _of_picked(row: Row) -> list[str | Text]:
    state = state_of_row(row)
    message = one_line(row["hold_reason"] or row["message"])
    return [
        str(row["id"]),
        shown_name(row["job_name"]),
        str(row["execution_count"]),
        "",
        Text(state, COLOURS.get(state, "")),
        message,
        "",
    ]


def _of_running(row: Row, daemon: str) -> list[str | Text]:
    progress = row["progress"]
    shown = Text("") if progress is None else bar(progress) + f" {progress:>4.0%}"
    return [
        str(row["id"]),
        shown_name(row["job_name"]),
        str(row["execution_count"]),
        duration(row["running_for"]),
        Text("is being stopped", "yellow") if row["is_stopping"] else shown,
        one_line(row["progress_message"]),
        daemon,
    ]


def of_failures(rows: Sequence[Row], now: datetime, width: int | None) -> Section:
    """Return the table of the latest failures."""
    columns = [
        Column("FAILED", "right"), Column("name", gives=True), Column("try", "right"), Column("at", "right"),
        Column("message", gives=True),
    ]  # fmt: skip
    section = Section.of(columns, [_of_failure(row, now) for row in rows], width)
    ids = [row["id"] for row in rows] or section.job_ids
    return Section(section.title, section.lines, ids, is_all=len(rows) < MOST_LISTED)


def _of_failure(row: Row, now: datetime) -> list[str | Text]:
    return [
        Text(str(row["id"]), "red"),
        shown_name(row["job_name"]),
        str(row["execution_count"]),
        short_time(row["finished_at"], now),
        one_line(row["message"]),
    ]


def bar(share: float) -> Text:
    """Return a bar of which a share from 0 to 1 is full."""
    full = round(min(max(share, 0.0), 1.0) * BAR_CELLS)
    return Text.assemble(("━" * full, "bold blue"), ("─" * (BAR_CELLS - full), "dim"))


def _dim_zero(number: int) -> str:
    return "" if number else "dim"
