"""Rows of text in columns, one line each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.text import Text

LEAST = 8  # cells that a column keeps
WIDE = 100  # cells of a terminal that has room for what one can do without


@dataclass(frozen=True, slots=True)
class Column:
    """`gives`: where lines are too long, the widest of these columns gets shorter."""

    title: str
    justify: Literal["left", "right"] = "left"
    gives: bool = False


def grid(columns: Sequence[Column], rows: Sequence[Sequence[str | Text]], width: int | None) -> list[Text]:
    """The titles, then the rows. A column without any value is left out; what is too long is cut."""
    shown = [place for place in range(len(columns)) if place == 0 or any(len(row[place]) for row in rows)]
    columns = [columns[place] for place in shown]
    lines = [[Text(column.title) for column in columns]]
    lines += [
        [cell.copy() if isinstance(cell := row[place], Text) else Text(cell) for place in shown]
        for row in rows
    ]
    widths = [max(cells[place].cell_len for cells in lines) for place in range(len(columns))]
    is_tight = width is not None and width < WIDE and sum(widths) + 2 * len(widths) > width
    gap = Text(" " if is_tight else "  ")
    if width is not None:
        _fit(widths, columns, width - gap.cell_len * (len(widths) - 1))
    return [_line(columns, cells, widths, gap, width) for cells in lines]


def _line(
    columns: Sequence[Column], cells: Sequence[Text], widths: Sequence[int], gap: Text, width: int | None
) -> Text:
    for column, cell, wide in zip(columns, cells, widths, strict=True):
        cell.truncate(wide, overflow="ellipsis")
        pad = cell.pad_left if column.justify == "right" else cell.pad_right
        pad(wide - cell.cell_len)
    line = gap.join(cells)
    line.rstrip()
    if width is not None:
        line.truncate(width, overflow="ellipsis")
    return line


def _fit(widths: list[int], columns: Sequence[Column], room: int) -> None:
    givers = [place for place, column in enumerate(columns) if column.gives and widths[place] > LEAST]
    while givers and sum(widths) > room:
        widest = max(givers, key=widths.__getitem__)
        widths[widest] -= 1
        givers = [place for place in givers if widths[place] > LEAST]
