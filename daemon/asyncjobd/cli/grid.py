"""Tables that fit the terminal: rows of text in columns, one line each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import click
from rich.text import Text

from asyncjobd.cli.printing import print_lines
from asyncjobd.cli.printing import width as terminal_width

NARROWEST = 8  # cells that a column keeps
WIDEST = 60  # cells of a column where the output is no terminal; what is longer sticks out
ROOMY = 100  # cells of a terminal that has room for what one can do without


@dataclass(frozen=True, slots=True)
class Column:
    """A column. Where lines are too long, the widest of those that give (`gives`) gets shorter."""

    title: str
    justify: Literal["left", "right"] = "left"
    gives: bool = False


def grid(columns: Sequence[Column], rows: Sequence[Sequence[str | Text]], width: int | None) -> list[Text]:
    """Return the line of titles, then a line for each row. Columns without any value are left out; what is too long is
    cut. `width` None: nothing is, but one long value widens no other line."""
    shown = [place for place in range(len(columns)) if place == 0 or any(len(row[place]) for row in rows)]
    columns = [columns[place] for place in shown]
    lines = [[Text(column.title) for column in columns]]
    lines += [
        [cell.copy() if isinstance(cell := row[place], Text) else Text(cell) for place in shown]
        for row in rows
    ]
    widths = [max(cells[place].cell_len for cells in lines) for place in range(len(columns))]
    is_tight = width is not None and width < ROOMY and sum(widths) + 2 * len(widths) > width
    gap = Text(" " if is_tight else "  ")
    if width is None:
        widths = [min(wide, WIDEST) for wide in widths]
    else:
        _fit(widths, columns, width - gap.cell_len * (len(widths) - 1))
    return [_line(columns, cells, widths, gap, width) for cells in lines]


def _line(
    columns: Sequence[Column], cells: Sequence[Text], widths: Sequence[int], gap: Text, width: int | None
) -> Text:
    for column, cell, wide in zip(columns, cells, widths, strict=True):
        if width is not None:
            cell.truncate(wide, overflow="ellipsis")
        pad = cell.pad_left if column.justify == "right" else cell.pad_right
        pad(max(wide - cell.cell_len, 0))
    line = gap.join(cells)
    line.rstrip()
    if width is not None:
        line.truncate(width, overflow="ellipsis")
    return line


def _fit(widths: list[int], columns: Sequence[Column], room: int) -> None:
    givers = [place for place, column in enumerate(columns) if column.gives and widths[place] > NARROWEST]
    while givers and sum(widths) > room:
        widest = max(givers, key=widths.__getitem__)
        widths[widest] -= 1
        givers = [place for place in givers if widths[place] > NARROWEST]


def print_grid(columns: Sequence[Column], rows: Sequence[Sequence[str | Text]], *, empty: str) -> None:
    """Print a table as wide as the terminal, or `empty` where there are no rows."""
    if not rows:
        click.echo(empty)
        return
    title, *lines = grid(columns, rows, terminal_width())
    title.stylize("bold cyan")
    print_lines([title, *lines])
