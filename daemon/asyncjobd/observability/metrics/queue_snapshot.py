"""What the queue as a whole looked like at one moment, for all daemons together."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """Jobs by where they are (of an action 10000: as many or more), and for how many seconds the oldest ready one has
    been (None: none is)."""

    ready: int
    running: int
    queued: int
    held: int
    failed: int
    oldest_ready: float | None


@dataclass(frozen=True, slots=True)
class StorageSnapshot:
    """Dead rows by table, and the oldest snapshot that keeps a vacuum from removing them: its age in seconds (None: not
    known) and in transactions; 0: there is none."""

    dead_rows: dict[str, int]
    snapshot_seconds: float | None
    snapshot_transactions: int


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """`at` is monotonic; `storage` is None where nobody asked."""

    at: float
    actions: dict[str, Counts]
    storage: StorageSnapshot | None

    @property
    def ready(self) -> int:
        return sum(counts.ready for counts in self.actions.values())

    @property
    def oldest_ready(self) -> float | None:
        waits = [counts.oldest_ready for counts in self.actions.values() if counts.oldest_ready is not None]
        return max(waits, default=None)
