"""Jobs that have ended, for which others may wait."""

from collections.abc import Iterable


class EndedJobs:
    """Ids of jobs that have ended or may have, and which of them are Failed."""

    __slots__ = ("failed", "ids")

    def __init__(self, ids: Iterable[int] = (), failed: Iterable[int] = ()) -> None:
        self.failed = set(failed)
        self.ids = self.failed.union(ids)

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, other: "EndedJobs") -> None:
        self.ids |= other.ids
        self.failed |= other.failed

    def take(self, limit: int) -> "EndedJobs":
        """Remove at most so many jobs, and return them."""
        ids = {self.ids.pop() for _ in range(min(len(self.ids), limit))}
        taken = EndedJobs(ids, self.failed & ids)
        self.failed -= ids
        return taken
