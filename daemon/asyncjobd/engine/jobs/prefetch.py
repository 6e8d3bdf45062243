"""Decides how many rows are claimed ahead: as many as slots are expected to become free within HORIZON.

So short handlers need not wait for a claim each. A row that has waited for MAX_WAIT without getting a slot is given
back, as another daemon may have one.
"""

from time import monotonic

from asyncjobd.engine.jobs.slots import Slots

HORIZON = 0.02  # seconds
MAX_AHEAD = 2000  # rows
MAX_WAIT = 0.1  # seconds that a claimed row waits for a slot


class Prefetch:
    """Decides how many rows the next claim takes."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._ahead = 0  # rows that are claimed before there is a slot for them
        self._affordable = MAX_AHEAD  # rows whose large params are likely to fit into memory
        self._finished = 0  # executions, when the rate was measured last
        self._measured_at = 0.0  # monotonic
        self._claimed_at = 0.0  # monotonic, of the newest rows

    @property
    def wanted(self) -> int:
        """The number of rows to claim now."""
        return min(self._missing, self._affordable)

    @property
    def is_due(self) -> bool:
        """True if a claim should be made now. While claimed jobs wait for a slot, no claim is made for a few rows."""
        missing = self._missing
        return missing > 0 and not (self._slots.waiting and missing < self._ahead // 2)

    @property
    def _missing(self) -> int:
        return max(0, self._slots.concurrency + self._ahead - self._slots.occupied)

    @property
    def seconds_left(self) -> float | None:
        """The seconds until rows that wait should be given back; None where none was claimed ahead."""
        return self._claimed_at + MAX_WAIT - monotonic() if self._slots.has_prefetched else None

    def note_claim(self, count: int, *, is_cut: bool) -> None:
        """Adjust how many rows are claimed ahead to a claim of `count`. `is_cut`: it lacked memory for more params."""
        self._affordable = max(1, 2 * count) if is_cut else min(2 * self._affordable, MAX_AHEAD)
        now = monotonic()
        if now >= self._measured_at + HORIZON:
            finished = self._slots.finished - self._finished
            self._ahead = min(int(finished * HORIZON / (now - self._measured_at)), MAX_AHEAD)
            self._finished, self._measured_at = self._slots.finished, now

    def note_start(self) -> None:
        """Remember when jobs were given to the runner last."""
        self._claimed_at = monotonic()

    def stop(self) -> None:
        """Claim none ahead until executions have ended again."""
        self._ahead = 0
