"""Holds what clients control while a daemon runs."""

from collections.abc import Mapping


class Controls:
    """Hold what clients have written last, as far as this daemon has read it. Any thread may ask.

    A claim looks at the table itself: what is held here only spares work, and is shown.

    Attributes:
        is_draining: Whether this daemon is to claim nothing.
        paused: The actions that are paused, and for how many seconds from when that was read; may be infinite.
        limited: The actions with limits for all daemons.
        limited_here: The actions that have a max_running_per_daemon.
    """

    def __init__(self) -> None:
        self.is_draining = False
        self.paused: Mapping[str, float] = {}
        self.limited: frozenset[str] = frozenset()
        self.limited_here: frozenset[str] = frozenset()

    @property
    def with_places(self) -> frozenset[str]:
        """The actions of which a job may wait for the end of another one."""
        return self.limited | self.limited_here
