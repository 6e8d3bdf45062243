"""The slots of a daemon, as metrics and status show them."""

from typing import Protocol


class SlotUsage(Protocol):
    """The executions that a daemon runs: at most `concurrency`, now `in_use`. Any thread may ask."""

    concurrency: int

    @property
    def in_use(self) -> int: ...
