"""What is wrong, as somebody on call would put it: the worst first."""

from typing import NamedTuple

from asyncjobd.cli.dashboard.overview import Overview, Row
from asyncjobd.cli.units import count, duration, one_line

SLOW = 5.0  # seconds that a ready job waits
LATE = 60.0


class Trouble(NamedTuple):
    is_grave: bool
    text: str


def troubles(overview: Overview) -> list[Trouble]:
    found = [*map(_of_daemon, overview.daemons), *map(_of_action, overview.actions)]
    if not any(not is_silent(daemon) for daemon in overview.daemons):
        found.append(Trouble(True, "no daemon is alive"))
    return sorted((each for each in found if each is not None), key=lambda each: not each.is_grave)


def is_silent(daemon: Row) -> bool:
    """For longer than its lease: the others take it for dead."""
    return bool(daemon["silent_for"] > daemon["lease_seconds"])


def lateness(action: Row) -> int:
    """Of the oldest ready job: 0 in time, 1 slow, 2 late. An action that somebody made inactive is in time."""
    waited = 0.0 if action["is_active"] is False else action["oldest_ready"] or 0.0
    return (waited > SLOW) + (waited > LATE)


def _of_daemon(daemon: Row) -> Trouble | None:
    if not is_silent(daemon):
        return None
    return Trouble(True, f"{one_line(daemon['name'])} is silent for {duration(daemon['silent_for'])}")


def _of_action(action: Row) -> Trouble | None:
    name, late = one_line(action["name"]), lateness(action)
    if action["waits_because"]:
        waiting = count(action["ready"] + action["queued"] + action["held"])
        return Trouble(late > 1, f"{name}: {waiting} wait, {action['waits_because']}")
    if late:
        return Trouble(late > 1, f"{name}: oldest ready for {duration(action['oldest_ready'])}")
    return None
