"""Troubles, in the words of somebody on call: the worst first."""

from collections.abc import Iterator
from typing import NamedTuple

from asyncjobd.monitoring.overview import SLOW_SECONDS, Overview, Row, drains
from asyncjobd.monitoring.units import count, duration, one_line, rate

LATE_SECONDS = 60.0
BEATS_IN_LEASE = 3  # how often a daemon renews its lease within its time
LATE_BEATS = 1.6  # from so many beats on, one is missing
GRAVE_HINDRANCES = {"away", "blocked"}  # of engine/fleet/hindrances.py


class Trouble(NamedTuple):
    """Something that is wrong. What is not grave works, and is slow or will be."""

    is_grave: bool
    text: str


def troubles(overview: Overview) -> list[Trouble]:
    """Return what is wrong, the grave first."""
    found = [
        *(trouble for daemon in overview.daemons for trouble in _of_daemon(daemon)),
        *(trouble for action in overview.actions if (trouble := _of_action(action)) is not None),
    ]
    if not any(not is_silent(daemon) for daemon in overview.daemons):
        found.append(Trouble(True, "no daemon is alive"))
    elif drains(overview.daemons):
        found.append(Trouble(True, "every daemon drains"))
    return sorted(found, key=lambda each: not each.is_grave)


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


def _growth(action: Row) -> str:
    """Return by how much the backlog of an action grows; empty where it does not."""
    arrivals = action["arrivals"]
    if arrivals is None or arrivals <= action["rate"]:
        return ""
    return f", and more come ({rate(arrivals)}) than go ({rate(action['rate'])})"


def _of_daemon(daemon: Row) -> Iterator[Trouble]:
    name, blocked = one_line(daemon["name"]), daemon["hindrances"].get("blocked")
    if is_silent(daemon):
        why = f", as its {one_line(blocked)}" if blocked else ""
        yield Trouble(True, f"{name} is silent for {duration(daemon['silent_for'])}{why}")
        return
    if daemon["silent_for"] > LATE_BEATS * daemon["lease_seconds"] / BEATS_IN_LEASE:
        yield Trouble(False, f"{name} was last heard of {duration(daemon['silent_for'])} ago")
    for kind, said in daemon["hindrances"].items():
        yield Trouble(kind in GRAVE_HINDRANCES, f"{name}: {one_line(said)}")


def _of_action(action: Row) -> Trouble | None:
    name, late = one_line(action["name"]), lateness(action)
    if action["waits_because"] and (jobs := waiting(action)):
        return Trouble(late > 1, f"{name}: {jobs}, {action['waits_because']}")
    if late:
        return Trouble(
            late > 1, f"{name}: oldest ready for {duration(action['oldest_ready'])}{_growth(action)}"
        )
    return None
