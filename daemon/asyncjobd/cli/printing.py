"""How commands print: tables and values for people, JSON for scripts."""

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from asyncjobd.cli.units import harmless


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def print_json(value: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2) + b"\n")


def print_table(rows: Sequence[Mapping[str, Any]], *, title: str | None = None, empty: str = "none") -> None:
    """The columns of the first row; a column without any value is left out."""
    console = Console(width=None if sys.stdout.isatty() else 200)
    if not rows:
        console.print(f"{title}: {empty}" if title else empty)
        return
    shown = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in shown:
        table.add_column(
            name, justify="right" if isinstance(rows[0][name], int | float) else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*(escape(text(row[name])) for name in shown))
    console.print(table)


def text(value: Any) -> str:
    """A value as people read it."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
        case datetime():
            return value.astimezone().isoformat(sep=" ", timespec="milliseconds")
        case timedelta():
            return str(value)
        case dict() | list():
            return harmless(msgspec.json.encode(value).decode())
        case _:
            return harmless(str(value))
