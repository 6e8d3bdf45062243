"""The screen of `top`: what is wrong, the figures, the tables as far as there is room, and the keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.text import Text

from asyncjobd.cli.dashboard.sections import Section, of_actions, of_daemons, of_failures, of_running
from asyncjobd.cli.dashboard.summary import GRAVE, MOST_TROUBLES, badge, figures, sentence
from asyncjobd.monitoring.health import troubles
from asyncjobd.monitoring.overview import Overview, Row
from asyncjobd.monitoring.times import short_time

AIRY_LINES = 26  # with so many there is an empty one above each table
KEYS = {
    "↑↓": "select", "tab": "list", "0-9": "job id", "h": "hold", "r": "release", "n": "run now", "c": "cancel",
    "q": "quit",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class View:
    """The contents of the screen. Times are local.

    `picked`: rows of client/get_job. `away_since`: since when the database is away; the overview is of before.
    `notice`: what became of the last key.
    """

    overview: Overview
    looked_at: datetime
    drawn_at: datetime
    picked: Sequence[Row] = ()
    selected: int | None = None
    away_since: datetime | None = None
    notice: str = ""

    @property
    def picked_only(self) -> list[Row]:
        """The picked jobs that are in no list."""
        listed = {row["id"] for row in (*self.overview.running, *self.overview.failures)}
        return [row for row in self.picked if row["id"] not in listed]

    @property
    def job_ids(self) -> tuple[list[int], list[int]]:
        """The ids in the lists one can select from: running jobs, and failures that do not run any more."""
        running = [row["id"] for row in (*self.picked_only, *self.overview.running)]
        return running, [row["id"] for row in self.overview.failures if row["id"] not in running]


def frame(view: View, width: int, height: int) -> list[Text]:
    """Return `height` lines, none wider than `width`."""
    head, foot = _head(view, width), _foot(view)
    room = max(height - len(head) - len(foot), 0)
    sections = _sections(view, width)
    is_airy = room >= AIRY_LINES
    shares = _shares(
        [len(section.lines) for section in sections], room - len(sections) * (2 if is_airy else 1)
    )
    body = []
    for section, share in zip(sections, shares, strict=True):
        body += [Text()] * is_airy + _window(section, share, view.selected, width)
    if view.away_since is not None:
        for line in body:
            line.stylize("dim")
    body = body[:room] + [Text()] * (room - len(body))
    return _cut((head + body + foot)[:height], width)


def _cut(lines: list[Text], width: int) -> list[Text]:
    for line in lines:
        line.no_wrap = True
        line.truncate(width, overflow="ellipsis")
    return lines


def _sections(view: View, width: int) -> list[Section]:
    overview = view.overview
    return [
        of_daemons(overview.daemons, width),
        of_actions(overview.actions, width),
        of_running(overview.running, view.picked_only, overview.daemons, width),
        of_failures(overview.failures, view.drawn_at, width),
    ]


def _shares(wanted: Sequence[int], room: int) -> list[int]:
    """Return how many lines each table gets: one at a time goes to the shortest of those that want more."""
    shares = [0] * len(wanted)
    for _ in range(min(room, sum(wanted))):
        least = min((share, place) for place, share in enumerate(shares) if share < wanted[place])
        shares[least[1]] += 1
    return shares


def _window(section: Section, share: int, selected: int | None, width: int) -> list[Text]:
    """Return the title and `share` lines of a table; the selected one is among them."""
    lines = list(section.lines)
    start = 0
    if selected is not None and selected in section.job_ids:
        place = section.job_ids.index(selected)
        start = max(place - share + 1, 0)
        lines[place] = Text(lines[place].plain, "bold reverse")  # one colour for the whole line
        lines[place].pad_right(width - lines[place].cell_len)
    title = section.title
    if hidden := len(lines) - share:
        title = _between(title, Text(f"{hidden}{'' if section.is_all else '+'} more", "dim"), width)
    return [title, *lines[start : start + share]]


def _head(view: View, width: int) -> list[Text]:
    mark, line = _verdict(view)
    return [
        _between(Text.assemble(mark, " ", line), Text(f"{view.drawn_at:%H:%M:%S}", "dim"), width),
        Text("  ").join(figures(view.overview)),
    ]


def _verdict(view: View) -> tuple[Text, Text]:
    if view.away_since is not None:
        since, last = (short_time(time, view.drawn_at) for time in (view.away_since, view.looked_at))
        return Text(" NO DATABASE ", GRAVE), Text(f"since {since}; what follows is of {last}", "bold red")
    found = troubles(view.overview)
    return badge(found), Text("  ·  ").join(map(sentence, found[:MOST_TROUBLES]))


def _foot(view: View) -> list[Text]:
    keys = Text("  ").join(Text.assemble((key, "bold cyan"), f" {what}") for key, what in KEYS.items())
    return [Text(view.notice, "bold"), keys]


def _between(left: Text, right: Text, width: int) -> Text:
    """Return a line with a text at each end; where there is not enough room, the left one is cut."""
    line = left.copy()
    line.truncate(max(width - right.cell_len - 2, 0), overflow="ellipsis", pad=True)
    return Text.assemble(line, "  ", right)
