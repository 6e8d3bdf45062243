"""Sets aside the rows that PostgreSQL refuses to write, so that all others go on.

A row that waits goes on Hold, and one that a lost daemon owned is Failed, with PostgreSQL's error as the reason. If
even that is refused, for example by a trigger of the site that takes no change of the row, the row is left alone for a
while.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType

import structlog

from asyncjobd.engine.halving import write_in_halves
from asyncjobd.engine.left_alone import LeftAlone
from asyncjobd.postgres.outage import describe, is_refusal
from asyncjobd.postgres.session import Session

LEFT_ALONE_FOR = 60.0  # seconds until a row is tried again of which no change is taken
NOBODY: Mapping[int, int] = MappingProxyType({})
MAX_LEFT_ALONE = 10_000  # rows; their ids are sent with each claim

log = structlog.get_logger("asyncjobd.job")


class Quarantine:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._left_alone = LeftAlone()

    @property
    def left_alone(self) -> list[int]:
        """The ids of the rows that are not to be touched now."""
        return self._left_alone.ids

    async def write(
        self,
        ids: Sequence[int],
        write: Callable[[Sequence[int]], Awaitable[int]],
        gone: Mapping[int, int] = NOBODY,
    ) -> int:
        """Write these rows in one statement, set aside those that PostgreSQL refuses, and return how many are done.

        `gone`: daemons whose rows may be set aside, too, and the last heartbeat of each.
        """
        written = 0

        async def count(some: Sequence[int]) -> None:
            nonlocal written
            written += await write(some)

        async def refused(job_id: int, error: Exception) -> None:
            nonlocal written
            written += await self.set_aside(job_id, error, gone=gone)

        await write_in_halves(ids, count, refused)
        return written

    async def set_aside(
        self, job_id: int, error: Exception, *, gone: Mapping[int, int] = NOBODY, version: str | None = None
    ) -> bool:
        """Set the row aside if it waits, or if one of the daemons that are `gone` owns it.

        `gone` has the last heartbeat of each. With a `version` (xmin), do so only if nobody has written it since.
        Return whether it is out of the way now.
        """
        reason = f"PostgreSQL refuses to write this row: {describe(error)}"
        try:
            rows = await self._session.run(
                "jobs/set_aside_job", job_id=job_id, reason=reason, gone_daemons=list(gone),
                heartbeats=list(gone.values()), version=version,
            )  # fmt: skip
        except Exception as refusal:
            if not is_refusal(refusal):
                raise
            return self._leave_alone(job_id, reason)
        for row in rows:
            log.error(
                "job.set_aside", job_id=job_id, job_name=row["job_name"], status=row["status"], reason=reason
            )
        return bool(rows)

    def _leave_alone(self, job_id: int, reason: str) -> bool:
        if len(self._left_alone) >= MAX_LEFT_ALONE:
            return False
        self._left_alone.add([job_id], LEFT_ALONE_FOR)
        log.error("job.unwritable", job_id=job_id, reason=reason, again_in=LEFT_ALONE_FOR)
        return True
