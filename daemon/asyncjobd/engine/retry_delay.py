"""The time until rows that somebody has locked are tried again."""

LONGEST = 1.0  # seconds


class RetryDelay:
    """A number of seconds that doubles, up to LONGEST, while the rows stay locked."""

    __slots__ = ("_first", "seconds")

    def __init__(self, first: float) -> None:
        self._first = first
        self.seconds = first

    def note(self, *, are_locked: bool) -> None:
        """Double the delay if the rows are still locked; else begin anew."""
        self.seconds = min(2 * self.seconds, LONGEST) if are_locked else self._first
