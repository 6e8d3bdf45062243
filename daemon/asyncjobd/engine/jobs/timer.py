"""Makes Queued rows ready when they are due. It sleeps until the next one is, and wakes for an earlier one."""

import asyncio
from collections.abc import Sequence

import asyncpg
import structlog

from asyncjobd.actions.catalog import ActionCatalog
from asyncjobd.engine.quarantine import Quarantine
from asyncjobd.engine.retry_delay import RetryDelay
from asyncjobd.engine.signals import Signals
from asyncjobd.postgres.outage import describe, is_refusal
from asyncjobd.postgres.session import Session

MAX_BATCH = 1000  # rows
LOCKED_RETRY = 0.05  # seconds until due rows that somebody has locked are tried again; doubles
REFUSED_RETRY = 1.0  # seconds until the next try where PostgreSQL has refused all that were due

log = structlog.get_logger("asyncjobd.timer")


class Timer:
    def __init__(
        self,
        session: Session,
        quarantine: Quarantine,
        catalog: ActionCatalog,
        signals: Signals,
    ) -> None:
        self._session = session
        self._quarantine = quarantine
        self._catalog = catalog
        self._signals = signals
        self._row_due = signals.row_due
        self._locked_retry = RetryDelay(LOCKED_RETRY)
        self.turns = 0  # counted for the watchdog

    @property
    def owes_turn(self) -> bool:
        return self._row_due.is_due and not self._session.is_waiting

    async def run(self) -> None:
        while True:
            self.turns += 1
            if self._row_due.is_due:
                await self._look()
            else:
                await self._row_due.wait_until_due()

    async def _look(self) -> None:
        """Promote what is due, and note when to look again."""
        is_foreseen = bool(self._row_due.epoch)
        self._row_due.epoch = None
        try:
            row = await self._promote(None, is_foreseen=is_foreseen)
        except Exception as error:
            if not is_refusal(error):
                raise
            log.warning(
                "promotion.refused", reason=describe(error), consequence="the due rows are tried apart"
            )
            if not await self._promote_one_by_one():
                await asyncio.sleep(REFUSED_RETRY)
            self._row_due.add(0)
            return
        self._row_due.note_clock(row["now_epoch"])
        if row["promoted"] == MAX_BATCH:
            self._row_due.add(0)
        elif row["seen"] > row["promoted"]:
            self._row_due.add(row["now_epoch"] + self._locked_retry.seconds)
            self._locked_retry.note(are_locked=True)
        else:
            self._locked_retry.note(are_locked=False)
        if row["next_due_epoch"] is not None:
            self._row_due.add(row["next_due_epoch"])

    async def _promote(self, ids: Sequence[int] | None, *, is_foreseen: bool = True) -> asyncpg.Record:
        """Promote the due rows, or those of them that have these ids. `is_foreseen`: some should be due by now."""
        (row,) = await self._session.run(
            "jobs/promote_jobs", limit=MAX_BATCH, left_alone=self._quarantine.left_alone, only_ids=ids
        )  # fmt: skip
        served = self._catalog.served.intersection(row["names"])
        if served or is_foreseen:  # another daemon may have made them ready just before
            self._signals.rows_ready.add(*served)
        if row["promoted"]:  # whether slots are free here for them, only the next claims will show
            self._signals.announcements.add_ready(*row["names"])
        return row

    async def _promote_one_by_one(self) -> int:
        """Promote the due rows apart, as one of them is refused, and return how many are done with."""

        async def promote(ids: Sequence[int]) -> int:
            return int((await self._promote(ids))["promoted"])

        rows = await self._session.run(
            "jobs/find_due_jobs", limit=MAX_BATCH, left_alone=self._quarantine.left_alone
        )
        return await self._quarantine.write([row["id"] for row in rows], promote)
