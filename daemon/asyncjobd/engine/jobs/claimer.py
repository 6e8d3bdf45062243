"""Claims ready rows: as many as there are free slots, and a few ahead.

A claim reads each lane behind the row that was claimed last (cursors.py). After a claim that found nothing more, the
claimer waits for a signal: without a limit while the daemon holds the notify gate, and otherwise for a pace that
doubles.
"""

import asyncio
from collections.abc import Iterable
from contextlib import aclosing
from time import monotonic

import anyio
import structlog

from asyncjobd.actions.catalog import ActionCatalog
from asyncjobd.actions.controls import Controls
from asyncjobd.engine.jobs.claims import MEMORY_RETRY, REFUSED_RETRY, Claim, Claims
from asyncjobd.engine.jobs.cursors import Cursors, Reading
from asyncjobd.engine.jobs.handover import Handover
from asyncjobd.engine.jobs.limited_claims import LimitedClaims
from asyncjobd.engine.jobs.limited_lane import LimitedLane
from asyncjobd.engine.jobs.prefetch import HORIZON, MAX_WAIT, Prefetch
from asyncjobd.engine.jobs.recorder import Recorder
from asyncjobd.engine.jobs.slots import Slots
from asyncjobd.engine.retry_delay import RetryDelay
from asyncjobd.engine.signals import Signals
from asyncjobd.engine.wakeup.notify_gate import NotifyGate
from asyncjobd.postgres.outage import describe, is_refusal
from asyncjobd.postgres.session import Session

MAX_WIDTH = 4_000  # rows that are looked at in search of free ones, before each lane is looked into alone
MAX_PARAMS_SIZE = 32_000_000  # bytes of large params of jobs that run or wait; a single job may take more
MAX_LOCKED_LANES = 10  # locked lanes that are tried alone before each claim of the others
LOCKED_RETRY = 0.02  # seconds until rows that somebody has locked are tried again; doubles
FIRST_PACE = 0.003  # seconds between two claims while the gate is open; doubles while nothing is found
QUIET_PACE = 0.004  # from this pace on the gate is held, so that rows wait no longer for a look
LAST_PACE = 1.0

log = structlog.get_logger("asyncjobd.job")


class Claimer:
    def __init__(
        self,
        session: Session,
        claims: Claims,
        limited: LimitedClaims,
        handover: Handover,
        slots: Slots,
        prefetch: Prefetch,
        recorder: Recorder,
        gate: NotifyGate,
        catalog: ActionCatalog,
        controls: Controls,
        signals: Signals,
        lease_held: asyncio.Event,
    ) -> None:
        """Create the claimer, which claims nothing unless `lease_held` is set: this daemon has its lease."""
        self._session = session
        self._claims = claims
        self._limited = limited
        self._is_turn_of_limited = False  # limited actions and all others take turns for the free slots
        self._handover = handover
        self._slots = slots
        self._prefetch = prefetch
        self._recorder = recorder
        self._gate = gate
        self._catalog = catalog
        self._controls = controls
        self._cursors = Cursors(catalog.active)
        self._version = catalog.version  # the catalog's, when the cursors were made
        self._rows_ready = signals.rows_ready
        self._lease_held = lease_held
        self._width = 0  # rows that the next claim looks at; more than it wants while some are locked
        self._locked_retry = RetryDelay(LOCKED_RETRY)
        self._pace = LAST_PACE
        self._stopping = False
        self._stopped = asyncio.Event()
        self.turns = 0  # counted for the watchdog

    @property
    def token_in_flight(self) -> int | None:
        """The token of a claim whose rows are not known here yet."""
        return self._claims.in_flight

    @property
    def owes_turn(self) -> bool:
        """True if somebody asked for a claim, and nothing holds it up."""
        return self._rows_ready.is_set and self.room > 0 and not self._session.is_waiting

    @property
    def room(self) -> int:
        """The number of jobs that could be claimed and begin now."""
        return self._slots.free if self._is_able else 0

    @property
    def _is_able(self) -> bool:
        """True unless something forbids all claims."""
        return self._lease_held.is_set() and not (
            self._recorder.is_full or self._stopping or self._controls.is_draining
        )

    @property
    def _budget(self) -> int:
        """The bytes that large params of further jobs may take."""
        return max(0, MAX_PARAMS_SIZE - self._slots.params_size)

    async def stop(self, patience: float) -> None:
        """Claim no more. Return when the claim in flight is answered, or after `patience` seconds.

        What a later answer brings is not begun, and is given back.
        """
        self._stopping = True
        self._rows_ready.set()
        self._slots.freed.set()
        self._recorder.written.set()
        with anyio.move_on_after(patience):
            await self._stopped.wait()

    async def run(self) -> None:
        while not self._stopping:
            self.turns += 1
            if not self._lease_held.is_set():
                await self._rows_ready.wait()
            elif self._controls.is_draining:
                await self._give_back_waiting()
                await self._rows_ready.wait()
            elif not self._prefetch.is_due:
                await self._wait_for_slot()
            elif self._recorder.is_full:
                await self._recorder.written.wait()
            else:
                await self._look(self._take_signals())
        await self._give_back_waiting()
        self._stopped.set()

    def _take_signals(self) -> Cursors:
        """Return the cursors of the actions that are served now, told which lanes have become ready."""
        if self._version != self._catalog.version:
            self._cursors, self._version = Cursors(self._catalog.active), self._catalog.version
        job_names, are_all = self._rows_ready.take()
        self._limited.note_ready(job_names, are_all=are_all)
        for job_name in job_names:
            self._cursors.note_ready(job_name)
        return self._cursors

    async def _look(self, cursors: Cursors) -> None:
        """Claim from limited actions or from all others, in turn, and rest if nothing more is to be had."""
        await self._limited.find(self._catalog.served)
        if not (self._is_turn_of_limited and self._limited.are_due):
            self._is_turn_of_limited = True
            await self._look_into_unlimited(cursors)
        elif lanes := self._limited.in_turn(has_slot=self._slots.free > 0):
            self._is_turn_of_limited = False
            await self._look_into_limited(cursors, lanes)
        else:
            await self._wait_for_slot()

    async def _look_into_limited(self, cursors: Cursors, lanes: Iterable[LimitedLane]) -> None:
        for lane in lanes:
            wanted = self._slots.free if lane.is_tight else self._prefetch.wanted
            if wanted == 0 or not self._is_able:
                break
            is_ahead = wanted > self._slots.free
            await self._limited.claim(lane, cursors, wanted, self._budget, is_ahead=is_ahead)

    async def _look_into_unlimited(self, cursors: Cursors) -> None:
        for name in cursors.locked_due()[:MAX_LOCKED_LANES]:
            await self._look_into(cursors, name, cursors.locked[name].width)
        if self._prefetch.is_due and self._is_able:  # the locked lanes may have filled the slots
            await self._look_into_unlocked(cursors)

    async def _look_into_unlocked(self, cursors: Cursors) -> None:
        from_start = cursors.seconds_to_start == 0
        seconds = await self._find_lanes(cursors, from_start=from_start) if cursors.are_many else 0.0
        wanted = self._prefetch.wanted
        width = max(wanted, self._width)
        reading = cursors.read(width, self._controls.limited, from_start=from_start)
        claim = await self._claim(cursors, reading, wanted, width)
        claimed = len(claim.jobs)
        is_full = claimed == wanted or claim.is_cut
        if from_start:
            cursors.note_read_from_start(seconds + claim.seconds, claimed, is_full=is_full)
        if claim.is_cut and not claim.jobs:
            await self._wait_for_memory()
        elif is_full or reading.is_narrowed:  # there may be more
            if cursors.are_many and not claim.jobs:  # but not in the lanes that were read
                cursors.lock(reading.names, 1)
        elif claim.seen >= width:  # some are locked: there may be free ones behind them
            await self._look_further(cursors, reading, width)
        elif not self._limited.are_due:
            await self._rest(self._seconds_to_next_look(claim, cursors, from_start=from_start), claimed > 0)

    def _seconds_to_next_look(self, claim: Claim, cursors: Cursors, *, from_start: bool) -> float | None:
        """Return the seconds until the next look; None if a signal will tell."""
        if not from_start:
            return cursors.seconds_to_start
        if claim.seen > len(claim.jobs):  # nobody tells when those that are locked are free again
            self._locked_retry.note(are_locked=not claim.jobs)
            return self._locked_retry.seconds
        self._locked_retry.note(are_locked=False)
        self._width = 0
        return None

    async def _look_further(self, cursors: Cursors, reading: Reading, width: int) -> None:
        """Look past locked rows; if they are many, lane by lane, so that none waits for the rows of another."""
        if width < MAX_WIDTH:
            self._width = min(2 * width, MAX_WIDTH)
            return
        self._width = 0
        for name in reading.names:
            await self._look_into(cursors, name, width)
        if not cursors.locked:
            await self._rest(LOCKED_RETRY, False)

    async def _look_into(self, cursors: Cursors, name: str, width: int) -> None:
        """Claim from one lane, and leave it out of later claims if every row that was read is locked."""
        wanted = min(self._prefetch.wanted, width)
        if wanted <= 0 or not self._is_able:
            return
        claim = await self._claim(cursors, cursors.read_one(name, width), wanted, width)
        if claim.seen >= width and not claim.jobs:
            cursors.lock([name], width)
        else:
            cursors.unlock(name)

    async def _find_lanes(self, cursors: Cursors, *, from_start: bool) -> float:
        """Find out which of many lanes have rows, and return the seconds that it took."""
        if not (names := cursors.unknown(from_start=from_start)):
            return 0.0
        rows = await self._claims.find_lanes(names)
        cursors.note_found(
            names, {row["name"]: (row["priority"], row["id"]) for row in rows if row["name"] is not None}
        )
        return float(rows[0]["looked_for"])

    async def _rest(self, patience: float | None, has_found: bool) -> None:
        """Wait for a signal, at most `patience` seconds; None: without a limit while the gate is held."""
        limits = [seconds for seconds in (patience, self._limited.seconds_to_next) if seconds is not None]
        limits += [max(0.0, lane.retry_at - monotonic()) for lane in self._cursors.locked.values()]
        if self._slots.has_prefetched:
            limits.append(MAX_WAIT)
        if not self._gate.is_held:
            self._pace = FIRST_PACE if has_found else min(2 * self._pace, LAST_PACE)
            if self._pace > QUIET_PACE:
                self._gate.hold()
            limits.append(self._pace)
        await self._rows_ready.wait(min(limits, default=None))

    async def _wait_for_slot(self) -> None:
        patience = self._prefetch.seconds_left
        if patience is not None and patience <= 0 and self._slots.is_full:
            await self._give_back_waiting()
        else:
            await self._slots.freed.wait(None if patience is None else max(patience, HORIZON))

    async def _wait_for_memory(self) -> None:
        if self._slots.has_prefetched:
            await self._wait_for_slot()
        else:
            await self._slots.freed.wait(MEMORY_RETRY)

    async def _claim(self, cursors: Cursors, reading: Reading, wanted: int, width: int) -> Claim:
        """Claim rows and hand them over."""
        if not reading.names or self._controls.is_draining:
            return Claim([], 0, 0)
        try:
            claim = await self._claims.claim(cursors, reading, wanted, width, self._budget)
        except Exception as error:
            if not is_refusal(error):
                raise
            return await self._claim_one_by_one(cursors, reading, wanted, error)
        cursors.note_claim(reading, claim.jobs, is_full=len(claim.jobs) == wanted or claim.is_cut)
        self._prefetch.note_claim(len(claim.jobs), is_cut=claim.is_cut)
        cursors.note_given_back(await self._handover.start(claim))
        return claim

    async def _claim_one_by_one(
        self, cursors: Cursors, reading: Reading, wanted: int, error: Exception
    ) -> Claim:
        """Claim row by row, each lane by itself, so that none waits for the refused rows of another."""
        log.warning(
            "claim.refused", reason=describe(error), consequence="the next rows are claimed one by one"
        )
        has_moved = False
        for name, place in zip(reading.names, reading.places, strict=True):
            one = cursors.read_one(name, wanted, place)
            async with aclosing(self._claims.claim_one_by_one(cursors, one, wanted)) as claims:
                async for claim in claims:
                    has_moved = has_moved or claim.has_moved
                    cursors.note_given_back(await self._handover.start(claim))
                    if self.room <= 0 or self._slots.params_size >= MAX_PARAMS_SIZE:
                        return Claim([], 0, 0, is_cut=True)
        if not has_moved:
            await asyncio.sleep(REFUSED_RETRY)
        return Claim([], 0, 0, is_cut=True)  # there may be more

    async def _give_back_waiting(self) -> None:
        given_back = await self._handover.give_back_waiting()
        self._cursors.note_given_back(given_back)
        self._limited.note_ready({job.job_name for job in given_back}, are_all=False)
