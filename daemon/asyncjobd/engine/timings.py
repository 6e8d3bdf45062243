"""Durations that are derived from the lease. Worker processes have one more: workers/pool.py."""

from dataclasses import dataclass

MAX_LOOK_INTERVAL = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class Timings:
    """Durations in seconds. `lease` is how long a daemon may be silent before others take its jobs."""

    lease: float

    @property
    def renewal_interval(self) -> float:
        """The time between two renewals of the lease: two may fail."""
        return self.lease / 3

    @property
    def fenced_after(self) -> float:
        """The age of the last renewal at which handlers are cancelled. They have the rest of the lease to end."""
        return 0.8 * self.lease

    @property
    def max_loop_block(self) -> float:
        """The time for which a handler may block the event loop before the lease is not renewed any more."""
        return 4 * self.lease

    @property
    def look_interval(self) -> float:
        """The time between two looks for what no notification told of."""
        return min(2 * self.lease, MAX_LOOK_INTERVAL)

    @property
    def unknown_names_interval(self) -> float:
        """The time between two looks for rows whose job name no daemon knows."""
        return 2 * self.look_interval
