"""Troubles, in the words of somebody on call: the worst first."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from asyncjobd.monitoring.overview import SLOW_SECONDS, Overview, Row, drains, is_silent
from asyncjobd.monitoring.units import count, duration, one_line, rate, shown_name

LATE_SECONDS = 60.0
BEATS_IN_LEASE = 3  # how often a daemon renews its lease within its time
LATE_BEATS = 1.6  # from so many beats on, one is missing
GRAVE_HINDRANCES = {"away", "blocked"}  # of engine/fleet/hindrances.py
HINDRANCE_TOPICS = {
    "away": "database_is_away", "blocked": "event_loop_is_blocked", "memory": "memory_is_used_up",
    "refused": "change_has_no_effect", "threads": "threads_are_used_up", "transactions": "threads_are_used_up",
}  # fmt: skip


class Trouble(NamedTuple):
    """Something that is wrong. What is not grave works, and is slow or will be."""

    is_grave: bool
    text: str
    topic: str  # the page of `asyncjobd help` about it


def troubles(overview: Overview) -> list[Trouble]:
    """Return what is wrong, the grave first; that of all daemons, which others may follow from, before theirs."""
    found = [
        *_of_all(overview.daemons),
        *(trouble for daemon in overview.daemons for trouble in _of_daemon(daemon)),
        *(trouble for action in overview.actions if (trouble := _of_action(action)) is not None),
    ]
    return sorted(found, key=lambda each: not each.is_grave)


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


def wait_topic(action: Row) -> str:
    """Return the page about why the jobs of an action wait: no daemon serves it, or somebody keeps them waiting."""
    is_kept = action["is_active"] is False or action["daemons"]
    return "paused_or_draining" if is_kept else "nobody_serves_it"


def hindrance_topic(kind: str) -> str:
    """Return the page about what hinders a daemon. A newer daemon may tell of a kind that is not known here."""
    return HINDRANCE_TOPICS.get(kind, "symptoms")


def _growth(action: Row) -> str:
    """Return by how much the backlog of an action grows; empty where it does not."""
    arrivals = action["arrivals"]
    if arrivals is None or arrivals <= action["rate"]:
        return ""
    return f", and more come ({rate(arrivals)}) than go ({rate(action['rate'])})"


def _of_all(daemons: Sequence[Row]) -> Iterator[Trouble]:
    if all(map(is_silent, daemons)):
        yield Trouble(True, "no daemon is alive", "no_daemon")
    elif drains(daemons):
        yield Trouble(True, "every daemon drains", "paused_or_draining")


def _of_daemon(daemon: Row) -> Iterator[Trouble]:
    name, blocked = one_line(daemon["name"]), daemon["hindrances"].get("blocked")
    if is_silent(daemon):
        why = f", as its {one_line(blocked)}" if blocked else ""
        yield Trouble(True, f"{name} is silent for {duration(daemon['silent_for'])}{why}", "daemon_is_silent")
        return
    if daemon["silent_for"] > LATE_BEATS * daemon["lease_seconds"] / BEATS_IN_LEASE:
        seen = f"{name} was last heard of {duration(daemon['silent_for'])} ago"
        yield Trouble(False, seen, "daemon_is_silent")
    for kind, said in daemon["hindrances"].items():
        yield Trouble(kind in GRAVE_HINDRANCES, f"{name}: {one_line(said)}", hindrance_topic(kind))


def _of_action(action: Row) -> Trouble | None:
    name, late = shown_name(action["name"]), lateness(action)
    if action["waits_because"] and (jobs := waiting(action)):
        return Trouble(late > 1, f"{name}: {jobs}, {action['waits_because']}", wait_topic(action))
    if late:
        seen = f"{name}: oldest ready for {duration(action['oldest_ready'])}{_growth(action)}"
        return Trouble(late > 1, seen, "limit_is_reached" if action["saturated"] else "everything_is_slow")
    return None
