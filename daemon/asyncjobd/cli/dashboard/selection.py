"""The job that the keys of `top` are for."""

from collections import deque
from collections.abc import Sequence

MOST_PICKED = 5  # jobs that stay listed, the latest
MOST_DIGITS = 18  # the length of the longest id of a job


class Selection:
    """The selected job by its id, so that it stays the same one where the lists move; none once it is in no list.

    `picked` are the jobs that were controlled or whose id was typed: they stay listed whatever becomes of them.
    """

    def __init__(self) -> None:
        self.job_id: int | None = None
        self.picked: deque[int] = deque(maxlen=MOST_PICKED)
        self.typed = ""
        self._place = 0  # the selected line, counted through all lists

    def pick(self, job_id: int) -> None:
        """Select a job, and keep it listed."""
        self.job_id = job_id
        if job_id not in self.picked:
            self.picked.append(job_id)

    def drop(self, job_id: int) -> None:
        """Forget a job that was deleted."""
        if job_id in self.picked:
            self.picked.remove(job_id)

    def follow(self, lists: Sequence[Sequence[int]]) -> None:
        """Take in new lists: keep the selected job if it is still there."""
        listed = _together(lists)
        if self.job_id in listed:
            self._place = listed.index(self.job_id)
        elif self.job_id not in self.picked:
            self.job_id = None

    def press(self, key: str, lists: Sequence[Sequence[int]]) -> bool:
        """Handle a key. Return whether a job was picked that may be in no list yet."""
        if key == "enter" and self.typed:
            self.pick(int(self.typed))
            self.typed = ""
            return True
        if key.isdecimal():
            self.typed = (self.typed + key)[:MOST_DIGITS]
            return False
        if key == "backspace":
            self.typed = self.typed[:-1]
            return False
        self.typed = ""
        match key:
            case "down" | "j":
                self._move(1, _together(lists))
            case "up" | "k":
                self._move(-1, _together(lists))
            case "tab":
                self._switch(lists)
        return False

    def _move(self, step: int, listed: Sequence[int]) -> None:
        is_gone = self.job_id not in listed  # then the next one has its place now
        self._select(self._place + (min(step, 0) if is_gone else step), listed)

    def _switch(self, lists: Sequence[Sequence[int]]) -> None:
        """Select the first job of the next list that has any."""
        here = next((place for place, listed in enumerate(lists) if self.job_id in listed), -1)
        others = [*lists[here + 1 :], *lists[: max(here, 0)]]
        first = next((listed[0] for listed in others if listed), self.job_id)
        listed = _together(lists)
        if first in listed:
            self._select(listed.index(first), listed)

    def _select(self, place: int, listed: Sequence[int]) -> None:
        if listed:
            self._place = min(max(place, 0), len(listed) - 1)
            self.job_id = listed[self._place]


def _together(lists: Sequence[Sequence[int]]) -> list[int]:
    return [job_id for listed in lists for job_id in listed]
