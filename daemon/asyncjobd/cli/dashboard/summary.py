"""The head of `status` and `top`: what is wrong, and the figures of the whole queue."""

from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

from asyncjobd.monitoring.health import Trouble
from asyncjobd.monitoring.overview import Overview
from asyncjobd.monitoring.times import short_time
from asyncjobd.monitoring.units import duration, plural, rate, total

GRAVE = "bold white on red"
MOST_TROUBLES = 100  # that are shown


def badge(found: Sequence[Trouble]) -> Text:
    """Return how the whole is, in a word and a colour."""
    if not found:
        return Text(" ALL WELL ", "bold black on green")
    words = " TROUBLE " if len(found) == 1 else f" {plural(len(found), 'TROUBLE').upper()} "
    return Text(words, GRAVE if found[0].is_grave else "bold black on yellow")


def sentence(trouble: Trouble) -> Text:
    """Return what is wrong, in the colour of its gravity, and the page about it."""
    style = "bold red" if trouble.is_grave else "yellow"
    return Text.assemble((trouble.text, style), (f" -> asyncjobd help {trouble.topic}", "dim"))


def more(number: int) -> Text:
    """Return the line about what is not shown."""
    return Text(f"{number:,} more: asyncjobd status --json", "dim")


def figures(overview: Overview) -> list[Text]:
    """Return the figures of the whole queue, each with its name."""
    slots = sum(daemon["concurrency"] for daemon in overview.daemons)
    since = short_time(overview.since, datetime.now().astimezone())
    ended = rate(sum(action["rate"] for action in overview.actions))
    values = {
        "ended": f"{ended} since {since}" if since else ended,
        "running": f"{sum(daemon['running'] for daemon in overview.daemons)}/{slots}",
        "oldest ready": duration(
            max((action["oldest_ready"] or 0 for action in overview.actions), default=0)
        ),
        **{
            key: total(action[key] for action in overview.actions)
            for key in ("ready", "failed", "held", "queued")
        },
    }
    return [Text.assemble((f"{name} ", "dim"), (value, "bold")) for name, value in values.items()]
