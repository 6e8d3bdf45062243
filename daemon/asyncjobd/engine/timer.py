"""Makes Queued rows ready when they are due. Sleeps until the next one is, and wakes for an earlier one."""

from time import monotonic

from asyncjobd.actions import Action, served_names
from asyncjobd.engine.wake import Wake
from asyncjobd.postgres.session import Session

BATCH = 1000
MOST_LOOKED_AT = 100_000
LOCKED_RETRY = 0.05  # seconds until due rows that somebody has locked are tried again


class Timer:
    def __init__(self, session: Session, actions: dict[str, Action], promoted: Wake) -> None:
        self._session = session
        self._promoted = promoted
        self._wake = Wake()
        self._look = BATCH
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
                await self._promote()

    def _delay(self) -> float | None:
        return None if self._next is None else self._next - self._epoch_at_zero - monotonic()

    async def _promote(self) -> None:
        self._next = None
        (row,) = await self._session.run("promote", self._look, self._served)
        self._epoch_at_zero = row["now_epoch"] - monotonic()
        if row["promoted"]:
            self._promoted.set()
        if row["seen"] > row["promoted"]:
            self.expect(row["now_epoch"] + LOCKED_RETRY)
            self._look = min(2 * self._look, MOST_LOOKED_AT)  # there may be free ones behind them
        else:
            if row["seen"] == self._look:
                self.expect(0)
            self._look = BATCH
        if row["next_due_epoch"] is not None:
            self.expect(row["next_due_epoch"])
