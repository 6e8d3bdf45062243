"""Which times of a schedule make jobs now, and when it goes on: a pure function of its row."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncjobd.config.calendars import Calendar, CalendarError, calendar_of, latest

MOST_TIMES = 1000  # of a schedule that catches all of them up, in one move


@dataclass(frozen=True, slots=True)
class Move:
    """The step of a schedule from one time to the next.

    Attributes:
        name: Its name.
        changed_at: When its calendar, catch-up or pause was last changed, by which it is the same schedule still.
        next_at: Its time so far, by which nobody else has moved it meanwhile; None: it had none yet.
        following: Its next time. None: it rests.
        times: Those for which there is to be a job, the first one first.
        missed_since: The first of the times that have passed and are not caught up. None: there are none.
        problem: Why it rests, or why its job was refused.
    """

    name: str
    changed_at: datetime
    next_at: datetime | None
    following: datetime | None
    times: tuple[datetime, ...] = ()
    missed_since: datetime | None = None
    problem: str | None = None

    def without_jobs(self, problem: str) -> "Move":
        """Return the move to the same time, with a problem in place of the jobs."""
        missed_since = self.times[0] if len(self.times) > 1 else self.missed_since
        return replace(self, times=(), missed_since=missed_since, problem=problem)


def move(row: Mapping[str, Any], now: datetime) -> Move:
    """Return the move of a schedule whose time has come, by its row of find_next_schedules.sql."""
    name, changed_at, next_at = row["name"], row["changed_at"], row["next_at"]
    try:
        calendar = calendar_of(row["cron"], row["time_zone"], row["every"], row["anchor"])
    except CalendarError as error:
        return Move(name, changed_at, next_at, None, problem=str(error))
    if next_at is None:
        return _resting(Move(name, changed_at, None, calendar.after(now)))
    now = max(now, next_at)
    since = max(row["paused_until"], now - timedelta(seconds=row["catch_up_seconds"]))
    if row["catch_up"] == "all":
        times = tuple(_all(calendar, max(next_at, since), is_first=next_at >= since, until=now))
        following = calendar.after(times[-1] if times else now)
    else:
        last = latest(calendar, next_at, now) or next_at
        times = (last,) if last >= since else ()
        following = calendar.after(now)
    missed = next_at if not times or times[0] > next_at else None
    return _resting(Move(name, changed_at, next_at, following, times, missed))


def _all(calendar: Calendar, since: datetime, *, is_first: bool, until: datetime) -> Iterator[datetime]:
    """Yield the times from `since` on, which itself is one if `is_first`; at most MOST_TIMES."""
    time = since if is_first else calendar.after(since)
    for _ in range(MOST_TIMES):
        if time is None or time > until:
            return
        yield time
        time = calendar.after(time)


def _resting(moved: Move) -> Move:
    """Return the move with its problem where no time follows."""
    return moved if moved.following else replace(moved, problem="there are no more times")


def text_of(times: tuple[datetime, ...]) -> str:
    """Return times as the text of a PostgreSQL array."""
    return "{" + ",".join(time.astimezone(UTC).isoformat() for time in times) + "}"
