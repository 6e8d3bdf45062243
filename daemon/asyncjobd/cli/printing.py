"""How commands print: lines and values for people, JSON for scripts."""

import shutil
import sys
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click
import msgspec

if TYPE_CHECKING:
    from rich.text import Text

NARROWEST = 40  # columns that values are wrapped in at least


def print_json(value: Any) -> None:
    """Print a value as JSON, on standard output."""
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2) + b"\n")
    sys.stdout.buffer.flush()  # where it fails, the command still says so


def width() -> int | None:
    """Return the columns of the terminal; None where the output goes elsewhere, where no line is cut."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_lines(lines: "Iterable[Text]") -> None:
    """Print each in one line, in colours where the terminal has some."""
    from rich.console import Console

    console = Console(highlight=False)
    for line in lines:
        console.print(line, soft_wrap=True)


def print_value(name: str, value: str, columns: int | None, indent: int = 15) -> None:
    """Print a name and its value, which is wrapped between words below its beginning."""
    label = click.style(f"{name:<{indent - 1}} ", bold=True)
    click.echo(label + wrapped(value, columns, indent))


def wrapped(value: str, columns: int | None, indent: int) -> str:
    """Return a text that starts at the column `indent`, wrapped between words; longer words are kept whole."""
    if columns is None:
        return value
    room = max(columns - indent, NARROWEST)
    lines = [
        part for line in value.splitlines() or [""]
        for part in textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False) or [""]
    ]  # fmt: skip
    return f"\n{' ' * indent}".join(lines)
