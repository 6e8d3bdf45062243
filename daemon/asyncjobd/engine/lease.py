"""The lease of this daemon: until when nobody takes its jobs."""

import asyncio
from math import inf
from time import monotonic

from asyncjobd.engine.timings import Timings


class Lease:
    """The lease, as this daemon knows it. Any thread may renew it and ask for it.

    Attributes:
        held: Set while the daemon may claim jobs and run handlers.
        lapses: How often the lease was renewed too late, so that others may have taken jobs meanwhile.
    """

    def __init__(self, timings: Timings) -> None:
        self._lasts = timings.fenced_after
        self._ends_at = -inf  # monotonic
        self.held = asyncio.Event()
        self.lapses = 0

    @property
    def seconds_left(self) -> float:
        """The seconds until the daemon must be fenced; below 0 if it should have been."""
        return self._ends_at - monotonic()

    def renew(self, sent_at: float) -> None:
        """Note a renewal that was sent then (monotonic) and has succeeded just now."""
        if -inf < self._ends_at < monotonic():
            self.lapses += 1
        self._ends_at = sent_at + self._lasts

    def has_lasted(self, lapses: int) -> bool:
        """Return whether it lasts, and has lasted since it had so many lapses."""
        # in this order, as a renewal counts the lapse first, and a thread may renew it between the two
        return self.seconds_left > 0 and self.lapses == lapses
