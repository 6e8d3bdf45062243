"""A histogram of durations that costs one addition a value.

The bounds of its buckets are powers of two, so a percentile of it is at most twice, and at least half, the
true one.
"""

from collections.abc import Sequence

# The bucket k counts durations of less than 2 ** k microseconds, and not less than half of that. The longest
# interval that a row can have falls into bucket 55.
BUCKETS = 64


class Histogram:
    """Counts of durations, and their sum.

    Attributes:
        buckets: The count of each bucket.
        sum_seconds: The sum of all durations, in seconds.
    """

    __slots__ = ("buckets", "sum_seconds")

    def __init__(self, buckets: Sequence[int] = (0,) * BUCKETS, sum_seconds: float = 0.0) -> None:
        self.buckets = list(buckets)
        self.sum_seconds = sum_seconds

    def copy(self) -> "Histogram":
        """Return a copy that no longer changes."""
        return Histogram(self.buckets, self.sum_seconds)

    @property
    def counts(self) -> list[int]:
        """The count of each bucket up to the last one that has any."""
        last = max((number for number, count in enumerate(self.buckets) if count), default=-1)
        return self.buckets[: last + 1]

    def add(self, counts: Sequence[int]) -> None:
        """Add the counts of another histogram, without the sum of its durations."""
        for number, count in enumerate(counts):
            self.buckets[number] += count

    def since(self, earlier: "Histogram") -> "Histogram":
        """Return the counts of the durations added since an earlier copy was made, without their sum."""
        return Histogram([now - then for now, then in zip(self.buckets, earlier.buckets, strict=True)])

    def percentile(self, fraction: float) -> float | None:
        """Return a percentile in seconds, interpolated within its bucket, or None if the histogram is empty.

        Args:
            fraction: 0.5 for the median, 0.99 for the 99th percentile.
        """
        rank = fraction * sum(self.buckets)
        below = 0
        for number, count in enumerate(self.buckets):
            if count and below + count >= rank:
                upper = 2.0**number
                return (upper / 2 + (rank - below) / count * upper / 2) / 1e6
            below += count
        return None
