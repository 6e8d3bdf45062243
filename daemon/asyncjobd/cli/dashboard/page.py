"""The whole overview as printed lines: for `status`, and for `top --once`."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.text import Text

from asyncjobd.cli.dashboard.sections import Section, of_actions, of_daemons, of_failures, of_running
from asyncjobd.cli.dashboard.summary import MOST_TROUBLES, badge, figures, more, sentence
from asyncjobd.cli.printing import print_lines
from asyncjobd.cli.printing import width as terminal_width
from asyncjobd.monitoring.health import troubles
from asyncjobd.monitoring.overview import Overview


def print_page(overview: Overview) -> None:
    """Print the overview as wide as the terminal; what is no terminal gets plain text, in which nothing is cut."""
    print_lines(page(overview, datetime.now().astimezone(), terminal_width()))


def page(overview: Overview, now: datetime, width: int | None) -> list[Text]:
    """Return all lines: what is wrong, the figures, and the tables."""
    clock = Text(f"{now:%H:%M:%S}", "dim")
    lines = [*_troubles(overview, width), *_joined([clock, *figures(overview)], width)]
    for section in _sections(overview, now, width):
        lines += [Text(), section.title, *section.lines]
    return lines


def _sections(overview: Overview, now: datetime, width: int | None) -> list[Section]:
    return [
        of_daemons(overview.daemons, width),
        of_actions(overview.actions, width),
        of_running(overview.running, [], overview.daemons, width),
        of_failures(overview.failures, now, width),
    ]


def _troubles(overview: Overview, width: int | None) -> list[Text]:
    """Return the badge and the worst trouble in the first line, and the others below it."""
    found = troubles(overview)
    mark = badge(found)
    indent = mark.cell_len + 1
    lines = [line for trouble in found[:MOST_TROUBLES] for line in _lines(sentence(trouble), width, indent)]
    if len(found) > MOST_TROUBLES:
        lines += _lines(more(len(found) - MOST_TROUBLES), width, indent)
    first, *others = lines or [Text()]
    return [Text.assemble(mark, " ", first), *(Text.assemble(" " * indent, line) for line in others)]


def _lines(text: Text, width: int | None, indent: int) -> list[Text]:
    """Return a text in lines that leave room for an indent; in one where there is no width."""
    if width is None:
        return [text]
    return list(text.wrap(Console(), max(width - indent, 1)))


def _joined(parts: Sequence[Text], width: int | None) -> list[Text]:
    """Return the parts in as few lines as they fit in, none of them broken."""
    lines = [Text()]
    for part in parts:
        if lines[-1] and width is not None and lines[-1].cell_len + 2 + part.cell_len > width:
            lines.append(Text())
        lines[-1] = Text.assemble(lines[-1], "  " if lines[-1] else "", part)
    return lines
