"""Inserts the jobs of schedules when their times come. It sleeps until the next one does, and wakes for an earlier one.

Every daemon does so for every schedule, whether or not it serves the jobs. Of all that try to move a schedule on from
one time to the next, one succeeds, and the same statement inserts the job. What comes next is read beforehand, and kept
while moves go as foreseen, so that nothing but that statement stands between a time and its job.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from math import inf
from typing import Any, NamedTuple

import asyncpg
import structlog

from asyncjobd.actions.catalog import ActionCatalog
from asyncjobd.engine.halving import write_in_halves
from asyncjobd.engine.jobs.schedule_moves import MOST_TIMES, Move, move, text_of
from asyncjobd.engine.retry_delay import RetryDelay
from asyncjobd.engine.signals import Signals
from asyncjobd.postgres.outage import describe, is_refusal
from asyncjobd.postgres.session import Session

MAX_BATCH = 50  # schedules a statement, each in a subtransaction of its own
FIRST_RETRY = 0.005  # seconds until a schedule that others have moved or locked is tried again; doubles
REFUSED_RETRY = 10.0  # seconds until the schedules are read again where PostgreSQL cannot return them

Row = dict[str, Any]


class Retry(NamedTuple):
    """When a schedule is tried again that others have moved or locked."""

    epoch: float  # by the database's clock
    delay: RetryDelay  # until the next one after it


log = structlog.get_logger("asyncjobd.scheduler")


class Scheduler:
    def __init__(self, session: Session, catalog: ActionCatalog, signals: Signals) -> None:
        self._session = session
        self._catalog = catalog
        self._signals = signals
        self._schedule_due = signals.schedule_due
        # The schedules that come next, as they were last read and have moved since
        self._next: list[Row] = []
        self._horizon = 0.0  # until when no others come, by the database's clock
        self._retries: dict[str, Retry] = {}  # of some whose time has come, by their names
        self.turns = 0  # counted for the watchdog

    @property
    def owes_turn(self) -> bool:
        return self._schedule_due.is_due and not self._session.is_waiting

    async def run(self) -> None:
        while True:
            self.turns += 1
            if not self._schedule_due.is_due:
                await self._schedule_due.wait_until_due()
                continue
            is_asked = self._schedule_due.epoch == 0
            self._schedule_due.epoch = None
            if not await self._move_due() or is_asked or not self._next:
                await self._look()
            self._note_next()

    def _note_next(self) -> None:
        """Note when the first schedule comes, or is tried again."""
        for epoch in (
            *(row["due_epoch"] for row in self._next),
            *(each.epoch for each in self._retries.values()),
        ):
            self._schedule_due.add(epoch)

    async def _look(self) -> None:
        """Read which schedules come next."""
        clock = self._schedule_due.clock
        left_alone = {name: retry for name, retry in self._retries.items() if retry.epoch > clock}
        try:
            rows = await self._session.run(
                "jobs/find_next_schedules", left_alone=list(left_alone), limit=MAX_BATCH
            )
        except Exception as error:
            if not is_refusal(error):
                raise
            log.error(
                "schedules.unreadable",
                reason=describe(error),
                consequence=f"no schedule makes a job; they are read again in {REFUSED_RETRY:g} s",
            )
            self._next, self._retries = [], {}
            self._schedule_due.add(clock + REFUSED_RETRY)
            return
        self._schedule_due.note_clock(rows[0]["now_epoch"])
        self._next = [dict(row) for row in rows if row["name"] is not None]
        self._horizon = self._next[-1]["due_epoch"] if len(self._next) >= MAX_BATCH else inf
        late = {row["name"] for row in self._next if row["due_epoch"] <= row["now_epoch"]}
        self._retries = {name: each for name, each in self._retries.items() if name in {*late, *left_alone}}

    async def _move_due(self) -> bool:
        """Move the schedules on whose time has come, and return whether that went as foreseen."""
        clock = self._schedule_due.clock
        moves = self._moves(clock)
        moved: set[str] = set()

        async def write(some: Sequence[Move]) -> None:
            moved.update(await self._move(some, clock))

        async def refused(one: Move, error: Exception) -> None:
            moved.update(await self._move_without_jobs(one, error, clock))

        await write_in_halves(moves, write, refused)
        for name in (each.name for each in moves):
            before = self._retries.pop(name, None)
            if name not in moved:
                delay = RetryDelay(FIRST_RETRY) if before is None else before.delay
                self._retries[name] = Retry(clock + delay.seconds, delay)
                delay.note(are_locked=True)
        self._follow({each.name: each for each in moves if each.name in moved})
        return len(moved) == len(moves) and not self._retries

    def _follow(self, moved: dict[str, Move]) -> None:
        """Keep of the schedules those that come before all that were not read."""
        for row in self._next:
            if (done := moved.get(row["name"])) is not None:
                row["next_at"] = done.following
                row["due_epoch"] = (
                    inf if done.following is None else max(done.following, row["paused_until"]).timestamp()
                )
        kept = (row for row in self._next if row["due_epoch"] <= self._horizon and row["due_epoch"] < inf)
        self._next = sorted(kept, key=lambda row: float(row["due_epoch"]))

    def _moves(self, clock: float) -> list[Move]:
        """Return the moves of the schedules whose time has come, as many as one statement takes."""
        now = datetime.fromtimestamp(clock, UTC)
        moves: list[Move] = []
        jobs = 0
        for row in self._next:
            if len(moves) == MAX_BATCH or jobs >= MOST_TIMES:
                break
            if row["due_epoch"] <= clock:
                moves.append(move(row, now))
                jobs += len(moves[-1].times)
        return moves

    async def _move(self, moves: Sequence[Move], clock: float) -> set[str]:
        """Move schedules on, log what came of it, and return the names of those that were moved.

        None is moved where an outage has held that up: at that time other moves may be right.
        """
        rows = await self._session.run(
            "jobs/move_schedules",
            clock=clock,
            names=[each.name for each in moves],
            changed_at=[each.changed_at for each in moves],
            next_at=[each.next_at for each in moves],
            following=[each.following for each in moves],
            times=[text_of(each.times) for each in moves],
            problems=[each.problem for each in moves],
        )
        asked = {each.name: each for each in moves}
        for row in rows:
            _log_move(asked[row["name"]], row)
        made = {row["job_name"] for row in rows if row["made"]}
        if ready := self._catalog.served & made:
            self._signals.rows_ready.add(*ready)
        return {row["name"] for row in rows}

    async def _move_without_jobs(self, refused: Move, error: Exception, clock: float) -> set[str]:
        """Move a schedule on whose job PostgreSQL refuses, with the reason, and return its name if that was done."""
        problem = f"PostgreSQL refuses its job: {describe(error)}"
        log.error("schedule.refused", schedule=refused.name, reason=problem)
        try:
            return await self._move([refused.without_jobs(problem)], clock)
        except Exception as again:
            if not is_refusal(again):
                raise
            log.error("schedule.unwritable", schedule=refused.name, reason=describe(again))
            return set()


def _log_move(done: Move, row: asyncpg.Record) -> None:
    """Log the jobs that a move has made, and the times for which it has made none."""
    skipped = set(row["skipped"])
    fired = [time for time in done.times if time not in skipped]
    for time, job_id in zip(fired, row["made"], strict=True):
        log.info(
            "schedule.fired", schedule=done.name, job_id=job_id, job_name=row["job_name"],
            schedule_time=time.isoformat(),
        )  # fmt: skip
    for time in row["skipped"]:
        log.warning(
            "schedule.skipped", schedule=done.name, schedule_time=time.isoformat(), open_job=row["open_job"]
        )
    if done.missed_since is not None:
        log.warning("schedule.missed", schedule=done.name, since=done.missed_since.isoformat())
    if done.following is None:
        log.error("schedule.rests", schedule=done.name, problem=done.problem)
