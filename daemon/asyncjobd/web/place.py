"""The place in a list of jobs at which its next page goes on."""

import re
from datetime import datetime
from typing import NamedTuple

from asyncjobd.monitoring.overview import Row
from asyncjobd.web.page import Unclear

NEWEST = 2**63 - 1  # no job has a greater id
TIMES = {"running": "started_at", "Queued": "due_at", "Failed": "finished_at"}  # by which they are in order
DIGITS = re.compile(r"[0-9]{1,19}")


class Place(NamedTuple):
    """A place in a list: the id of a job, and what the list is ordered by before that. Without an id: its beginning.

    With the id alone a list could not go on once this job has another status, or is gone.
    """

    job_id: int | None = None
    key: str = ""

    def __str__(self) -> str:
        return f"{self.job_id},{self.key}" if self.key else str(self.job_id)

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Return the place of a text. Raise Unclear."""
        digits, _, key = text.partition(",")
        if not (DIGITS.fullmatch(digits) and int(digits) <= NEWEST):
            raise Unclear(f"before={text}: expected the id of a job, and what the list is ordered by")
        return cls(int(digits), key)

    @classmethod
    def of(cls, state: str, job: Row) -> "Place":
        """Return the place of a job in the list of this state."""
        if state == "ready":
            return cls(job["id"], f"{job['priority']},{job['job_name']}")
        time = job[TIMES[state]] if state in TIMES else ""
        return cls(job["id"], "infinity" if time is None else str(time))

    @property
    def time(self) -> str | None:
        """The time in a list that is ordered by times. Raise Unclear where it is the place of another list."""
        if self.job_id is None or self.key == "infinity":
            return self.key or None
        try:
            return str(datetime.fromisoformat(self.key))
        except ValueError as error:
            raise self._of_another_list from error

    @property
    def priority_and_name(self) -> tuple[int | None, str | None]:
        """The priority and the name in the list of ready jobs. Raise Unclear where it is the place of another list."""
        if self.job_id is None:
            return None, None
        priority, _, name = self.key.partition(",")
        try:
            return int(priority), name
        except ValueError as error:
            raise self._of_another_list from error

    @property
    def _of_another_list(self) -> Unclear:
        return Unclear(f"before={self}: expected a place in this list, as its own links have it")
