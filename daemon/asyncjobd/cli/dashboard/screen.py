"""What `top` shows: the verdict, the figures, the tables as far as there is room, and the keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console
from rich.text import Text

from asyncjobd.cli.dashboard.overview import Overview, Row
from asyncjobd.cli.dashboard.sections import Section, of_actions, of_daemons, of_failures, of_running
from asyncjobd.cli.dashboard.verdict import troubles
from asyncjobd.cli.units import clock, duration, rate, total

ROOMY = 26  # lines; with so many there is an empty one above each table
GRAVE = "bold white on red"
KEYS = {
    "↑↓": "select", "tab": "list", "0-9": "job id", "h": "hold", "r": "release", "n": "run now", "c": "cancel",
    "q": "quit",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class View:
    """`picked`: rows of client/get_job. `away_since`: the database is, and the rest is of before. Times are local."""

    overview: Overview
    looked_at: datetime
    drawn_at: datetime
    picked: Sequence[Row] = ()
    selected: int | None = None
    away_since: datetime | None = None
    answer: str = ""

    @property
    def picked_only(self) -> list[Row]:
        listed = {row["id"] for row in (*self.overview.running, *self.overview.failures)}
        return [row for row in self.picked if row["id"] not in listed]

    @property
    def job_ids(self) -> tuple[list[int], list[int]]:
        """Of the lists one can select from, as they are shown: running jobs, and failures that do not run any more."""
        running = [row["id"] for row in (*self.picked_only, *self.overview.running)]
        return running, [row["id"] for row in self.overview.failures if row["id"] not in running]


def everything(view: View, width: int | None) -> list[Text]:
    """As many lines as there are; without a width as long as they are."""
    lines = _head(view, width)
    for section in _sections(view, width):
        lines += [Text(), section.title, *section.lines]
    return lines


def print_once(overview: Overview) -> None:
    """On standard output; what is no terminal gets plain text, and nothing is cut."""
    console = Console(highlight=False)
    width = console.width if console.is_terminal else None
    now = datetime.now().astimezone()
    for line in everything(View(overview, now, now), width):
        console.print(line, soft_wrap=True)


def frame(view: View, width: int, height: int) -> list[Text]:
    """So many lines, none longer than that."""
    head, foot = _head(view, width), _foot(view)
    room = max(height - len(head) - len(foot), 0)
    sections = _sections(view, width)
    is_airy = room >= ROOMY
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


def _sections(view: View, width: int | None) -> list[Section]:
    overview = view.overview
    return [
        of_daemons(overview.daemons, width),
        of_actions(overview.actions, width),
        of_running(overview.running, view.picked_only, overview.daemons, width),
        of_failures(overview.failures, view.drawn_at, width),
    ]


def _shares(wanted: Sequence[int], room: int) -> list[int]:
    """A line at a time to who has the least of those that want more."""
    shares = [0] * len(wanted)
    for _ in range(min(room, sum(wanted))):
        least = min((share, place) for place, share in enumerate(shares) if share < wanted[place])
        shares[least[1]] += 1
    return shares


def _window(section: Section, share: int, selected: int | None, width: int) -> list[Text]:
    """The title and so many lines; the selected one is among them."""
    lines = list(section.lines)
    start = 0
    if selected is not None and selected in section.job_ids:
        place = section.job_ids.index(selected)
        start = max(place - share + 1, 0)
        lines[place] = Text(lines[place].plain, "bold reverse")  # in one colour
        lines[place].pad_right(width - lines[place].cell_len)
    title = section.title
    if hidden := len(lines) - share:
        title = _between(title, Text(f"{hidden}{'' if section.is_all else '+'} more", "dim"), width)
    return [title, *lines[start : start + share]]


def _head(view: View, width: int | None) -> list[Text]:
    badge, line = _verdict(view)
    return [
        _between(Text.assemble(badge, " ", line), Text(f"{view.drawn_at:%H:%M:%S}", "dim"), width),
        _totals(view.overview),
    ]


def _verdict(view: View) -> tuple[Text, Text]:
    if view.away_since is not None:
        since, last = (clock(time, view.drawn_at) for time in (view.away_since, view.looked_at))
        return Text(" NO DATABASE ", GRAVE), Text(f"since {since}; what follows is of {last}", "bold red")
    found = troubles(view.overview)
    if not found:
        return Text(" ALL WELL ", "bold black on green"), Text()
    each = [Text(trouble.text, "bold red" if trouble.is_grave else "yellow") for trouble in found]
    badge = " TROUBLE " if len(found) == 1 else f" {len(found)} TROUBLES "
    return Text(badge, GRAVE if found[0].is_grave else "bold black on yellow"), Text("  ·  ").join(each)


def _totals(overview: Overview) -> Text:
    slots = sum(daemon["concurrency"] for daemon in overview.daemons)
    figures = {
        "ended": rate(sum(action["rate"] for action in overview.actions)),
        "running": f"{sum(daemon['running'] for daemon in overview.daemons)}/{slots}",
        "oldest ready": duration(
            max((action["oldest_ready"] or 0 for action in overview.actions), default=0)
        ),
        **{
            key: total(action[key] for action in overview.actions)
            for key in ("ready", "failed", "held", "queued")
        },
    }
    return Text("  ").join(
        Text.assemble((f"{name} ", "dim"), (value, "bold")) for name, value in figures.items()
    )


def _foot(view: View) -> list[Text]:
    keys = Text("  ").join(Text.assemble((key, "bold cyan"), f" {what}") for key, what in KEYS.items())
    return [Text(view.answer, "bold"), keys]


def _between(left: Text, right: Text, width: int | None) -> Text:
    """One at each end of a line; where there is not enough room, it is the left one that is cut."""
    line = left.copy()
    if width is not None:
        room = max(width - right.cell_len - 2, 0)
        line.truncate(room, overflow="ellipsis", pad=True)
    return Text.assemble(line, "  ", right)
