"""Takes ready rows, as many as there are free slots and a few ahead, and gives them to the runner."""

import asyncio
import secrets
from itertools import count
from time import monotonic

import anyio
import structlog

from asyncjobd.actions import Action, active
from asyncjobd.engine.gate import Gate
from asyncjobd.engine.lanes import Lanes
from asyncjobd.engine.recorder import Recorder
from asyncjobd.engine.runner import Runner
from asyncjobd.engine.wake import Wake
from asyncjobd.job import ClaimedJob
from asyncjobd.postgres.session import Session

MOST_LOOKED_AT = 100_000
MOMENT = 0.02  # seconds for which rows are claimed ahead
MOST_AHEAD = 2000
LONGEST_AHEAD = 0.1  # seconds that a claimed row waits for a slot; then others may have it
LOCKED_RETRY = 0.02  # seconds until rows that somebody has locked are tried again; doubles up to a second
FIRST_PACE = 0.003  # seconds between two claims while the gate is open; doubles while nothing is found
QUIET_PACE = 0.02  # from here on the gate had better be shut
LAST_PACE = 1.0

log = structlog.get_logger("asyncjobd.job")


class Claimer:
    def __init__(
        self,
        session: Session,
        gate: Gate,
        channel: str,
        daemon_id: int,
        actions: dict[str, Action],
        runner: Runner,
        recorder: Recorder,
        is_held: asyncio.Event,
    ) -> None:
        """`is_held`: that this daemon's lease is. Without it nothing is claimed, and nothing claimed begins."""
        self._session = session
        self._gate = gate
        self._channel = channel
        self._daemon_id = daemon_id
        self._runner = runner
        self._recorder = recorder
        self._is_held = is_held
        # A lease never comes back, not even where a failover rewinds the database: chance above, a count below.
        self._leases = count(secrets.randbits(30) << 32 | 1)
        self._ahead = 0  # rows that are claimed before there is a slot for them
        self._ended = 0
        self._width = 0  # of the next look, in rows; more than are wanted while some are locked
        self._locked_retry = LOCKED_RETRY
        self._looked_at = 0.0
        self._claimed_at = 0.0  # the newest rows
        self._pace = LAST_PACE
        self._stopping = False
        self._stopped = asyncio.Event()
        self.lease_in_flight: int | None = None
        self.turns = 0
        self.wake = Wake()
        self.serve(actions)

    def serve(self, actions: dict[str, Action]) -> None:
        """From the next claim on; they are read from their start."""
        self._lanes = Lanes(active(actions))
        self.wake.set()

    @property
    def owes_turn(self) -> bool:
        """Somebody asked for a look, and nothing holds it up."""
        is_free = self._is_held.is_set() and self._runner.free > 0 and not self._recorder.is_full
        return self.wake.is_set and is_free and not (self._session.is_waiting or self._stopping)

    async def stop(self, patience: float) -> None:
        """No more claims. Returns once the one in flight is answered, or after `patience` seconds: what it still takes
        then, others take back."""
        self._stopping = True
        self.wake.set()
        self._runner.freed.set()
        self._recorder.written.set()
        with anyio.move_on_after(patience):
            await self._stopped.wait()

    async def run(self) -> None:
        while not self._stopping:
            self.turns += 1
            await self._is_held.wait()
            wanted = self._runner.free + self._ahead
            if wanted <= 0 or (self._runner.waiting and wanted < self._ahead // 2):
                await self._wait_for_slots()
                continue
            if self._recorder.is_full:
                await self._recorder.written.wait()
                continue
            self.wake.clear()
            await self._look(wanted)
        await self._hand_back()
        self._stopped.set()

    async def _look(self, wanted: int) -> None:
        """One claim; and where nothing more is to be had, a rest."""
        from_start = self._lanes.seconds_to_start == 0
        was_narrowed = self._lanes.is_narrowed
        width = max(wanted, self._width)
        seen, claimed = await self._claim(wanted, width, from_start=from_start)
        if claimed == wanted or was_narrowed:  # there may be more
            return
        if seen >= width and width < MOST_LOOKED_AT:  # some are locked: there may be free ones behind them
            self._width = min(2 * width, MOST_LOOKED_AT)
            return
        patience: float | None = None
        if not from_start:
            patience = self._lanes.seconds_to_start
        elif seen > claimed:  # nobody tells when those that are locked are free again
            patience = self._locked_retry = min(2 * self._locked_retry, 1.0) if claimed == 0 else LOCKED_RETRY
        else:
            self._locked_retry, self._width = LOCKED_RETRY, 0
        await self._rest(patience, has_found=claimed > 0)

    async def _rest(self, patience: float | None, *, has_found: bool) -> None:
        """While the gate is shut, until somebody knocks."""
        limits = [] if patience is None else [patience]
        if self._runner.free < 0:
            limits.append(LONGEST_AHEAD)
        if not self._gate.is_shut:
            self._pace = FIRST_PACE if has_found else min(2 * self._pace, LAST_PACE)
            if self._pace > QUIET_PACE:
                self._gate.shut()
            limits.append(self._pace)
        await self.wake.wait(min(limits, default=None))

    async def _wait_for_slots(self) -> None:
        patience = self._claimed_at + LONGEST_AHEAD - monotonic() if self._runner.free < 0 else None
        if patience is not None and patience <= 0 and self._runner.is_full:
            await self._hand_back()
        else:
            await self._runner.freed.wait(None if patience is None else max(patience, MOMENT))

    async def _claim(self, wanted: int, width: int, *, from_start: bool) -> tuple[int, int]:
        """Answers how many ready rows there were and how many of them are ours now."""
        self.lease_in_flight = lease = next(self._leases)
        lanes = self._lanes  # a reload may have others by the time of the answer
        arguments = lanes.arguments(width, from_start=from_start)
        rows = await self._session.run("claim", self._daemon_id, lease, wanted, *arguments, width)
        jobs = [] if rows[0]["id"] is None else [ClaimedJob(*row[2:]) for row in rows]
        is_full = len(jobs) == wanted
        lanes.claimed(jobs, is_full=is_full)
        if from_start:
            lanes.read_from_start(rows[0]["looked_for"], len(jobs), is_full=is_full)
        self._look_ahead()
        await self._is_held.wait()
        self.lease_in_flight = None
        if jobs:
            self._claimed_at = monotonic()
            self._runner.start(jobs, lease)
        return rows[0]["seen"], len(jobs)

    def _look_ahead(self) -> None:
        """Expects as many free slots in the next moment as the last one brought."""
        now = monotonic()
        if now >= self._looked_at + MOMENT:
            ended = self._runner.ended - self._ended
            self._ahead = min(int(ended * MOMENT / (now - self._looked_at)), MOST_AHEAD)
            self._ended, self._looked_at = self._runner.ended, now

    async def _hand_back(self) -> None:
        """What waits for a slot."""
        self._ahead = 0
        if waiting := self._runner.take_waiting():
            self._lanes.given_back(waiting.values())
            ids, leases = zip(*waiting, strict=True)
            for row in await self._session.run("hand_back", ids, leases):
                log.debug("job.handed_back", job_id=row["id"], reason="not begun")
            await self._session.run("notify", self._channel, "ready")
