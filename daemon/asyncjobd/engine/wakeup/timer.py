"""Makes Queued rows ready when they are due. Sleeps until the next one is, and wakes for an earlier one."""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic

import asyncpg
import structlog

from asyncjobd.actions.catalog import Action, served_names
from asyncjobd.engine.quarantine import Quarantine
from asyncjobd.engine.wake import Wake
from asyncjobd.postgres.outage import describe, is_refusal
from asyncjobd.postgres.session import Session

BATCH = 1000
LOCKED_RETRY = 0.05  # seconds until due rows that somebody has locked are tried again; doubles
LAST_LOCKED_RETRY = 1.0
REFUSED_RETRY = 1.0  # seconds until the next try where PostgreSQL has refused all that were due

log = structlog.get_logger("asyncjobd.timer")


class Timer:
    def __init__(
        self,
        session: Session,
        quarantine: Quarantine,
        actions: dict[str, Action],
        promoted: Callable[[list[str], int, int], None],
    ) -> None:
        """`promoted` hears of which names rows became ready, how many, and how many of them only others serve."""
        self._session = session
        self._quarantine = quarantine
        self._promoted = promoted
        self._wake = Wake()
        self._locked_retry = LOCKED_RETRY
        self._next: float | None = 0  # when to look, as an epoch of the database's clock; None: nothing waits
        self._epoch_at_zero = 0.0  # the database's clock when ours, monotonic, was 0
        self.turns = 0
        self.serve(actions)

    def serve(self, actions: dict[str, Action]) -> None:
        self._served = served_names(actions)

    @property
    def owes_turn(self) -> bool:
        delay = self._delay()
        return delay is not None and delay <= 0 and not self._session.is_waiting

    def expect(self, epoch: float) -> None:
        """A row is due then (0: look now)."""
        if self._next is None or epoch < self._next:
            self._next = epoch
            self._wake.set()

    async def run(self) -> None:
        while True:
            self.turns += 1
            delay = self._delay()
            if delay is None or delay > 0:
                await self._wake.wait(delay)
            else:
                await self._look()

    def _delay(self) -> float | None:
        return None if self._next is None else self._next - self._epoch_at_zero - monotonic()

    async def _look(self) -> None:
        self._next = None
        try:
            row = await self._promote(None)
        except Exception as error:
            if not is_refusal(error):
                raise
            log.warning(
                "promotion.refused", reason=describe(error), consequence="the due rows are tried apart"
            )
            if not await self._promote_carefully():
                await asyncio.sleep(REFUSED_RETRY)
            self.expect(0)
            return
        self._epoch_at_zero = row["now_epoch"] - monotonic()
        if row["promoted"] == BATCH:
            self.expect(0)
        elif row["seen"] > row["promoted"]:
            self.expect(row["now_epoch"] + self._locked_retry)
            self._locked_retry = min(2 * self._locked_retry, LAST_LOCKED_RETRY)
        else:
            self._locked_retry = LOCKED_RETRY
        if row["next_due_epoch"] is not None:
            self.expect(row["next_due_epoch"])

    async def _promote(self, ids: Sequence[int] | None) -> asyncpg.Record:
        (row,) = await self._session.run("promote", BATCH, self._served, self._quarantine.left_alone, ids)
        # also where there were none: another daemon may have made them ready just before
        self._promoted(row["names"], row["promoted"], row["promoted_for_others"])
        return row

    async def _promote_carefully(self) -> int:
        """A row is refused: those that are due are tried apart. Return how many are done with."""

        async def promote(ids: Sequence[int]) -> int:
            return int((await self._promote(ids))["promoted"])

        rows = await self._session.run("find_due", BATCH, self._quarantine.left_alone)
        return await self._quarantine.write([row["id"] for row in rows], promote)
