"""The delay of a retry, as the documentation has it. The schema has its own: asyncjob.retry_delay."""

import struct
from datetime import timedelta
from hashlib import sha256
from math import inf

LONGEST = timedelta(days=360_000)  # 1000 years, as PostgreSQL compares intervals


def longest_delay(interval: timedelta, backoff: float, number: int, most: timedelta = LONGEST) -> timedelta:
    """Return the delay after the n-th try without jitter, which only makes it shorter."""
    try:
        grown = interval.total_seconds() * backoff ** (number - 1)
    except OverflowError:
        grown = inf
    return timedelta(seconds=min(grown, most.total_seconds()))


def retry_delay(
    interval: timedelta, backoff: float, most: timedelta, jitter: float, job_id: int, number: int
) -> timedelta:
    """Return the delay after the n-th try of a job. Months of its intervals have 30 days."""
    digest = sha256(struct.pack(">qi", job_id, number)).digest()
    drawn = int.from_bytes(digest[:4]) / 2**32
    return longest_delay(interval, backoff, number, most) * (1 - jitter * drawn)
