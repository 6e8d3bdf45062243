"""Takes ready rows, as many as there are free slots and a few ahead, and gives them to the runner."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from time import monotonic

import anyio
import structlog

from asyncjobd.actions.catalog import Action, active_actions
from asyncjobd.engine.halving import write_in_halves
from asyncjobd.engine.jobs.claims import Claim, Claims
from asyncjobd.engine.jobs.cursors import Cursors, Reading
from asyncjobd.engine.jobs.recorder import Recorder
from asyncjobd.engine.jobs.runner import Runner
from asyncjobd.engine.quarantine import Quarantine
from asyncjobd.engine.wake import Wake
from asyncjobd.engine.wakeup.announcer import Announcer
from asyncjobd.engine.wakeup.notify_gate import NotifyGate
from asyncjobd.job import ClaimedJob, Status
from asyncjobd.postgres.outage import describe, is_refusal
from asyncjobd.postgres.session import Session

MANY_LOCKED = 4_000  # rows that are passed in search of free ones, before each lane is looked into alone
MEMORY = 32_000_000  # bytes of large params of jobs that run or wait; a single job may take more
MEMORY_RETRY = 0.1  # seconds between two looks whether there is memory again
MOST_LANES_TRIED = 10  # locked lanes that are tried alone before one claim of the others
MOMENT = 0.02  # seconds for which rows are claimed ahead
MOST_AHEAD = 2000
LONGEST_AHEAD = 0.1  # seconds that a claimed row waits for a slot; then others may have it
ALONE_AGAIN = 1.0  # seconds, about, after which a job that is to run alone is tried again
REFUSED_RETRY = 1.0  # seconds until the next claim where PostgreSQL has refused all that were tried
LOCKED_RETRY = 0.02  # seconds until rows that somebody has locked are tried again; doubles up to a second
FIRST_PACE = 0.003  # seconds between two claims while the gate is open; doubles while nothing is found
QUIET_PACE = 0.02  # from here on the gate had better be shut
LAST_PACE = 1.0

log = structlog.get_logger("asyncjobd.job")


class Claimer:
    def __init__(
        self,
        session: Session,
        gate: NotifyGate,
        announcer: Announcer,
        daemon_id: int,
        actions: dict[str, Action],
        runner: Runner,
        recorder: Recorder,
        quarantine: Quarantine,
        is_held: asyncio.Event,
        due_again: Callable[[float], None],
    ) -> None:
        """`is_held`: that this daemon's lease is. Without it nothing is claimed, and nothing claimed begins.

        `due_again` hears when rows are due that were given back for a while (seconds since 1970, database time)."""
        self._session = session
        self._gate = gate
        self._announcer = announcer
        self._runner = runner
        self._recorder = recorder
        self._claims = Claims(session, daemon_id, quarantine, recorder)
        self._is_held = is_held
        self._due_again = due_again
        self._ahead = 0  # rows that are claimed before there is a slot for them
        self._affordable = MOST_AHEAD  # rows whose large params are likely to fit into memory
        self._ended = 0
        self._width = 0  # of the next look, in rows; more than are wanted while some are locked
        self._locked_retry = LOCKED_RETRY
        self._looked_at = 0.0
        self._claimed_at = 0.0  # the newest rows
        self._pace = LAST_PACE
        self._stopping = False
        self._stopped = asyncio.Event()
        self.turns = 0
        self.wake = Wake()
        self.serve(actions)

    def serve(self, actions: dict[str, Action]) -> None:
        """From the next claim on; they are read from their start."""
        self._lanes = Cursors(active_actions(actions))
        self.wake.set()

    def knocked(self, job_name: str) -> None:
        """Rows of this name have become ready."""
        self._lanes.knocked(job_name)
        self.wake.set()

    @property
    def lease_in_flight(self) -> int | None:
        return self._claims.in_flight

    @property
    def owes_turn(self) -> bool:
        """Somebody asked for a look, and nothing holds it up."""
        return self.wake.is_set and self.room > 0 and not self._session.is_waiting

    @property
    def room(self) -> int:
        """Return how many more jobs could be claimed and begin now."""
        is_able = self._is_held.is_set() and not (self._recorder.is_full or self._stopping)
        return self._runner.free if is_able else 0

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
            wanted = self._wanted
            if wanted <= 0 or (self._runner.waiting and wanted < self._ahead // 2):
                await self._wait_for_slots()
            elif self._recorder.is_full:
                await self._recorder.written.wait()
            else:
                self.wake.clear()
                await self._look(self._lanes, min(wanted, self._affordable))
        await self._hand_back()
        self._stopped.set()

    @property
    def _wanted(self) -> int:
        return self._runner.free + self._ahead

    async def _look(self, lanes: Cursors, wanted: int) -> None:
        """One claim; and where nothing more is to be had, a rest. A reload has other lanes the next time."""
        for name in lanes.locked_due()[:MOST_LANES_TRIED]:
            await self._look_into(lanes, name, lanes.locked[name].width)
        from_start = lanes.seconds_to_start == 0
        looked_for = await self._find_lanes(lanes, from_start=from_start) if lanes.are_many else 0.0
        width = max(wanted, self._width)
        reading = lanes.read(width, from_start=from_start)
        claim = await self._claim(lanes, reading, wanted, width)
        claimed = len(claim.jobs)
        is_full = claimed == wanted or claim.is_cut
        if from_start:
            lanes.read_from_start(looked_for + claim.looked_for, claimed, is_full=is_full)
        if claim.is_cut and not claim.jobs:
            await self._wait_for_memory()
            return
        if is_full or reading.is_narrowed:  # there may be more
            if lanes.are_many and not claim.jobs and not claim.is_cut:  # but not in those that were read
                lanes.lock(reading.names, 1)
            return
        if claim.seen >= width:  # some are locked: there may be free ones behind them
            await self._look_further(lanes, reading, width)
            return
        patience: float | None = None
        if not from_start:
            patience = lanes.seconds_to_start
        elif claim.seen > claimed:  # nobody tells when those that are locked are free again
            patience = self._locked_retry = min(2 * self._locked_retry, 1.0) if claimed == 0 else LOCKED_RETRY
        else:
            self._locked_retry, self._width = LOCKED_RETRY, 0
        await self._rest(patience, has_found=claimed > 0)

    async def _look_further(self, lanes: Cursors, reading: Reading, width: int) -> None:
        """Past locked rows; where they are many, lane by lane, so that none waits for those of another one."""
        if width < MANY_LOCKED:
            self._width = min(2 * width, MANY_LOCKED)
            return
        self._width = 0
        for name in reading.names:
            await self._look_into(lanes, name, width)
        if not lanes.locked:
            await self._rest(LOCKED_RETRY, has_found=False)

    async def _look_into(self, lanes: Cursors, name: str, width: int) -> None:
        """One claim of one lane, which is left out of the others' while all that was seen of it is locked."""
        wanted = min(self._wanted, self._affordable, width)
        if wanted <= 0 or self._recorder.is_full:
            return
        claim = await self._claim(lanes, lanes.read_one(name, width), wanted, width)
        if claim.seen >= width and not claim.jobs:
            lanes.lock([name], width)
        else:
            lanes.unlock(name)

    async def _find_lanes(self, lanes: Cursors, *, from_start: bool) -> float:
        """Find out which of many lanes have rows, and return the seconds that it took."""
        if not (names := lanes.unknown(from_start=from_start)):
            return 0.0
        rows = await self._session.run("list_lanes", names, self._claims.left_alone)
        lanes.found(
            names, {row["name"]: (row["priority"], row["id"]) for row in rows if row["name"] is not None}
        )
        return float(rows[0]["looked_for"])

    async def _rest(self, patience: float | None, *, has_found: bool) -> None:
        """While the gate is shut, until somebody knocks."""
        limits = [] if patience is None else [patience]
        limits += [max(0.0, lane.retry_at - monotonic()) for lane in self._lanes.locked.values()]
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

    async def _wait_for_memory(self) -> None:
        if self._runner.free < 0:
            await self._wait_for_slots()
        else:
            await self._runner.freed.wait(MEMORY_RETRY)

    async def _claim(self, lanes: Cursors, reading: Reading, wanted: int, width: int) -> Claim:
        """Claim rows, and give them to the runner."""
        if not reading.names:
            return Claim([], 0)
        budget = max(0, MEMORY - self._runner.size)
        try:
            claim = await self._claims.take(lanes, reading, wanted, width, budget)
        except Exception as error:
            if not is_refusal(error):
                raise
            return await self._claim_carefully(lanes, reading, wanted, error)
        lanes.claimed(reading, claim.jobs, is_full=len(claim.jobs) == wanted or claim.is_cut)
        self._affordable = (
            max(1, 2 * len(claim.jobs)) if claim.is_cut else min(2 * self._affordable, MOST_AHEAD)
        )
        self._look_ahead()
        await self._start(claim)
        return claim

    async def _claim_carefully(
        self, lanes: Cursors, reading: Reading, wanted: int, error: Exception
    ) -> Claim:
        """Claim row by row, each lane by itself, so that none waits for those that are refused of another one."""
        log.warning(
            "claim.refused", reason=describe(error), consequence="the next rows are claimed one by one"
        )
        has_moved = False
        for name, place in zip(reading.names, reading.places, strict=True):
            one = lanes.read_one(name, wanted, place)
            async with aclosing(self._claims.take_carefully(lanes, one, wanted)) as claims:
                async for claim in claims:
                    has_moved = has_moved or claim.has_moved
                    await self._start(claim)
                    if self.room <= 0 or self._runner.size >= MEMORY:
                        return Claim([], 0, is_cut=True)
        if not has_moved:
            await asyncio.sleep(REFUSED_RETRY)
        return Claim([], 0, is_cut=True)  # there may be more

    async def _start(self, claim: Claim) -> None:
        await self._is_held.wait()
        if any(job.runs_alone for job in claim.jobs):
            claim.jobs = await self._part(claim.jobs, claim.lease)
        self._run_those([job for job in claim.jobs if job.params], claim.lease)
        for job in claim.jobs:
            if not job.params and (read := await self._claims.read(job, claim.lease)) is not None:
                await self._is_held.wait()
                self._run_those([read], claim.lease)
        self._claims.in_flight = None

    def _run_those(self, jobs: list[ClaimedJob], lease: int) -> None:
        if jobs:
            self._claimed_at = monotonic()
            self._runner.start(jobs, lease)

    async def _part(self, jobs: list[ClaimedJob], lease: int) -> list[ClaimedJob]:
        """Keep at most one of those that are to run alone; the others are due a bit later."""
        alone = [job for job in jobs if job.runs_alone]
        kept = alone[:0] if self._runner.runs_alone else alone[:1]
        rest = [job for job in alone if job not in kept]
        if rest:
            await self._give_back([(job.id, lease) for job in rest], ALONE_AGAIN)
        return [job for job in jobs if not job.runs_alone or job in kept]

    async def _give_back(self, claimed: Sequence[tuple[int, int]], seconds: float | None) -> None:
        """Give these rows (job id and lease) back, ready at once or due in some seconds."""

        async def write(some: Sequence[tuple[int, int]]) -> None:
            ids, leases = zip(*some, strict=True)
            for row in await self._session.run("hand_back", ids, leases, seconds):
                log.debug("job.handed_back", job_id=row["id"], reason="not begun")
                if row["status"] == Status.QUEUED:
                    self._due_again(row["due_epoch"])
                    self._announcer.tell_due(row["due_epoch"])

        async def refused(row: tuple[int, int], error: Exception) -> None:
            log.warning(
                "job.kept", job_id=row[0], reason=describe(error), consequence="the auditor tries it again"
            )

        await write_in_halves(claimed, write, refused)

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
            await self._give_back(list(waiting), None)
            self._announcer.tell()
