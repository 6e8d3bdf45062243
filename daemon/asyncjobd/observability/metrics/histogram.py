"""A histogram of durations that costs one addition a value.

The bounds of its buckets are powers of two, so a percentile of it is at most twice, and at least half, the
true one.
"""

from collections.abc import Sequence

# The bucket k counts durations of less than 2 ** k microseconds, and not less than half of that. The longest
# interval that a row can have falls into bucket 55.
BUCKETS = 64
BASE = 10**12  # of the number that a histogram is stored as; no bucket counts that many


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

    @classmethod
    def of_number(cls, number: int) -> "Histogram":
        """Return the histogram that is stored as this number, without the sum of its durations."""
        return cls([number // BASE**place % BASE for place in range(BUCKETS)])

    @property
    def number(self) -> int:
        """The counts as digits of one number in the base BASE. Such numbers add up as the histograms do."""
        return sum(count * BASE**place for place, count in enumerate(self.buckets))

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
