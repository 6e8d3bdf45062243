"""Ids of rows that are not to be touched for a while."""

from collections.abc import Iterable
from time import monotonic


class LeftAlone:
    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: dict[int, float] = {}  # monotonic

    def __len__(self) -> int:
        return len(self._until)

    @property
    def ids(self) -> list[int]:
        """The ids whose time is not over."""
        if self._until:
            now = monotonic()
            self._until = {row_id: until for row_id, until in self._until.items() if until > now}
        return list(self._until)

    def add(self, ids: Iterable[int], seconds: float) -> None:
        """Leave these rows alone for so many seconds from now on."""
        self._until.update(dict.fromkeys(ids, monotonic() + seconds))
