"""The database's clock, as it goes on since a statement has returned what it says."""

from time import monotonic


class DatabaseClock:
    def __init__(self) -> None:
        self._epoch_at_zero = 0.0  # what it said when our monotonic clock was 0

    def note(self, epoch: float) -> None:
        """Note what it says now, in seconds since 1970."""
        self._epoch_at_zero = epoch - monotonic()

    @property
    def now(self) -> float:
        """The time of the database, in seconds since 1970; without meaning before the first `note`."""
        return self._epoch_at_zero + monotonic()
