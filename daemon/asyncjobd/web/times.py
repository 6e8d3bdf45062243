"""Times as a page shows them: UTC, short, and whole where a pointer rests on them."""

from datetime import UTC, datetime

from asyncjobd.monitoring.times import distance


def clock(when: datetime | None, now: datetime) -> str:
    """Return a time in UTC: 12:31:05 of today, 27 Nov 12:31 of this year, 27 Nov 2036."""
    if when is None:
        return ""
    universal, today = when.astimezone(UTC), now.astimezone(UTC)
    if universal.date() == today.date():
        return f"{universal:%H:%M:%S}"
    day = f"{universal.day} {universal:%b}"
    return f"{day} {universal:%H:%M}" if universal.year == today.year else f"{day} {universal.year}"


def whole(when: datetime) -> str:
    """Return a time in UTC with its day."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S UTC}"


def away(when: datetime, now: datetime) -> str:
    """Return how far a time is: in 3 min, 2 days ago."""
    return distance(when - now)
