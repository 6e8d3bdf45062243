"""A snapshot of the queue as a whole, the jobs of all daemons together."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """The number of jobs of an action by state. 10,000 stands for that many or more.

    Attributes:
        oldest_ready: How long the oldest ready job has been ready, in seconds; None if no job is ready.
        waiting: How many of the queued jobs wait for other jobs.
        is_saturated: Whether a limit for all daemons lets no job start now; None if there is no such limit.
    """

    ready: int
    running: int
    queued: int
    held: int
    failed: int
    oldest_ready: float | None
    waiting: int
    is_saturated: bool | None


@dataclass(frozen=True, slots=True)
class StorageSnapshot:
    """The dead rows of our tables, and the oldest snapshot that keeps a vacuum from removing them.

    Attributes:
        dead_rows: The estimated number of dead rows by table.
        snapshot_seconds: The age of the oldest snapshot in seconds; 0 if there is none, None if it is not
            known.
        snapshot_transactions: The age of the oldest snapshot in transactions; 0 if there is none.
    """

    dead_rows: dict[str, int]
    snapshot_seconds: float | None
    snapshot_transactions: int


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """The queue at one moment.

    Attributes:
        at: The time of the snapshot on the monotonic clock, in seconds.
        actions: The counts of each action.
        storage: The state of the tables; None if nobody scrapes the metrics.
    """

    at: float
    actions: dict[str, Counts]
    storage: StorageSnapshot | None

    @property
    def ready(self) -> int:
        """The number of ready jobs of all actions."""
        return sum(counts.ready for counts in self.actions.values())

    @property
    def oldest_ready(self) -> float | None:
        """The longest `oldest_ready` of all actions, in seconds; None if no job is ready."""
        waits = [counts.oldest_ready for counts in self.actions.values() if counts.oldest_ready is not None]
        return max(waits, default=None)
