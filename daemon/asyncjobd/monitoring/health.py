"""Troubles, in the words of somebody on call: the worst first."""

from typing import NamedTuple

from asyncjobd.monitoring.overview import Overview, Row, drains
from asyncjobd.monitoring.units import count, duration, one_line

SLOW_SECONDS = 5.0  # a ready job that waits longer is late
LATE_SECONDS = 60.0


class Trouble(NamedTuple):
    """Something that is wrong. What is not grave works, and is slow or will be."""

    is_grave: bool
    text: str


def troubles(overview: Overview) -> list[Trouble]:
    """Return what is wrong, the grave first."""
    found = [*map(_of_daemon, overview.daemons), *map(_of_action, overview.actions)]
    if not any(not is_silent(daemon) for daemon in overview.daemons):
        found.append(Trouble(True, "no daemon is alive"))
    elif drains(overview.daemons):
        found.append(Trouble(True, "every daemon drains"))
    return sorted((each for each in found if each is not None), key=lambda each: not each.is_grave)


def is_silent(daemon: Row) -> bool:
    """Return whether a daemon is silent for longer than its lease, so that others take it for dead."""
    return bool(daemon["silent_for"] > daemon["lease_seconds"])


def lateness(action: Row) -> int:
    """Return how late the oldest ready job is: 0 in time, 1 slow, 2 late. Those of an inactive or paused action are in
    time."""
    waited = 0.0 if action["is_active"] is False or action["paused_until"] else action["oldest_ready"] or 0.0
    return (waited > SLOW_SECONDS) + (waited > LATE_SECONDS)


def waiting(action: Row) -> str:
    """Return the jobs that wait although they are not meant to: ready ones, and held ones of an unknown name.

    What is due later, or was put on Hold on purpose, waits as it should. Empty where none does.
    """
    is_unknown = action["handler"] is None
    states = ("ready", "held") if is_unknown else ("ready",)
    return ", ".join(f"{count(action[state])} {state}" for state in states if action[state])


def _of_daemon(daemon: Row) -> Trouble | None:
    if not is_silent(daemon):
        return None
    return Trouble(True, f"{one_line(daemon['name'])} is silent for {duration(daemon['silent_for'])}")


def _of_action(action: Row) -> Trouble | None:
    name, late = one_line(action["name"]), lateness(action)
    if action["waits_because"] and (jobs := waiting(action)):
        return Trouble(late > 1, f"{name}: {jobs}, {action['waits_because']}")
    if late:
        return Trouble(late > 1, f"{name}: oldest ready for {duration(action['oldest_ready'])}")
    return None
