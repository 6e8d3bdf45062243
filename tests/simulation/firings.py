"""Which jobs a schedule has to make at each move from one time to the next, and which it has made.

A time makes one job in all, whoever moves the schedule, and however often it is set back. Of the times that a move
passes, `all` makes a job for each, `one` and `none` for the last, the latter only if that passed less than a minute
ago. Only a job that is open keeps a time from its own, where the schedule says `skip` or `queue` and does not catch it up,
and only a pause.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

from tests.simulation.feature import PROMPT_SECONDS
from tests.simulation.watch import Firing, Move

NONE_SECONDS = 60.0  # for which a time may have passed that makes a job with catch_up none
CAUGHT_UP_SECONDS = 60.0  # after which a time that has passed is caught up with catch_up all
CLOCK_SECONDS = 5.0  # by which a daemon's idea of the database's time may be wrong


def violations_of(
    moves: list[Move], firings: list[Firing], pruned: set[int], *, is_prompt: bool
) -> Iterator[str]:
    """Yield what is wrong. `pruned`: jobs whose times may come again; `is_prompt`: daemons could act at once."""
    counts = Counter((firing.name, firing.time) for firing in firings if firing.job_id not in pruned)
    for (name, time), count in counts.items():
        if count > 1:
            yield f"schedule {name} has made {count} jobs for {time}"
    made: dict[tuple[str, float], list[float]] = defaultdict(list)  # the times, by the schedule and the move
    for firing in firings:
        made[firing.name, firing.at.timestamp()].append(firing.time.timestamp())
        if (
            is_prompt
            and firing.at.timestamp() - firing.time.timestamp() > PROMPT_SECONDS
            and not _is_set_back(firing, moves)
        ):
            yield f"job {firing.job_id} of {firing.name} was made at {firing.at}, its time was {firing.time}"
    for name in dict.fromkeys(move.name for move in moves):
        yield from _of_one(name, [move for move in moves if move.name == name], made)
    for key, times in made.items():
        if times:
            yield f"schedule {key[0]} has made jobs without a move: {times}"


def _is_set_back(firing: Firing, moves: Iterable[Move]) -> bool:
    """Return whether a client had set the schedule back to times that had passed."""
    return any(
        move.name == firing.name
        and not move.is_daemons
        and move.next_at is not None
        and move.next_at <= move.at
        for move in moves
    )


def _of_one(name: str, moves: list[Move], made: dict[tuple[str, float], list[float]]) -> Iterator[str]:
    before: set[float] = set()  # times that have made a job
    for last, move in pairwise(moves):
        if move.is_daemons and move.was_next_at is not None and move.was_next_at != last.next_at:
            yield f"schedule {name} was moved on from {move.was_next_at}, and had gone on to {last.next_at}"
    paused_until = None
    resumed_at = 0.0  # the end of the last pause, which a client may take back after a daemon has read it
    for move in moves:
        if paused_until is not None:
            resumed_at = max(resumed_at, min(paused_until, move.at).timestamp())
        paused_until = move.paused_until
        if move.is_daemons:
            times = made.pop((name, move.at.timestamp()), [])
            before.update(times)
            yield from _of_move(move, times, before, resumed_at)


def _of_move(move: Move, times: list[float], made: set[float], resumed_at: float) -> Iterator[str]:
    """Compare what a move has made with what it had to make: nothing for the times before `resumed_at`."""
    shown = f"schedule {move.name}, moved from {move.was_next_at} to {move.next_at} at {move.at}"
    if move.was_next_at is not None and move.paused_until is not None and move.paused_until > move.at:
        yield f"{shown}: it was paused until {move.paused_until}"
    passed = list(_passed(move))
    if surplus := [time for time in times if time not in passed]:
        yield f"{shown}: has made jobs for {surplus}"
    missing = [time for time in _needed(move, passed, resumed_at) if time not in made]
    if move.overlap != "allow" and move.has_open:  # which keeps no time that is caught up from its job
        until = move.at.timestamp() - CAUGHT_UP_SECONDS if move.catch_up == "all" else 0.0
        missing = [time for time in missing if time < until]
    if missing:
        yield f"{shown}: has made no job for {missing}"
    if move.catch_up != "all" and times not in ([], passed[-1:]):
        yield f"{shown}: has made {times}, and not the last time alone"


def _passed(move: Move) -> Iterator[float]:
    """Yield the times that a move has passed."""
    if move.was_next_at is None or move.next_at is None:
        return
    time, end, step = move.was_next_at.timestamp(), move.next_at.timestamp(), move.step
    while time < end:
        yield time
        time = (
            time // step + 1
        ) * step  # the anchor lies on each of these grids, as a minute's beginning does


def _needed(move: Move, passed: list[float], resumed_at: float) -> list[float]:
    """Return for which of the times there must be a job."""
    due = [time for time in passed if time >= resumed_at]
    if move.catch_up == "all":
        return due
    passed_for = move.at.timestamp() - due[-1] if due else 0.0
    if move.catch_up == "none" and passed_for > NONE_SECONDS - CLOCK_SECONDS:
        return []
    return due[-1:]
