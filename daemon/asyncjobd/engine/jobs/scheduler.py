"""Inserts the jobs of schedules when their times come. It sleeps until the next one does, and wakes for an earlier one.

Every daemon does so for every schedule, whether or not it serves the jobs. Of all that try to move a schedule on from
one time to the next, one succeeds, and the same statement inserts the job.
"""

from collections.abc import Sequence

import asyncpg
import structlog

from asyncjobd.actions.catalog import ActionCatalog
from asyncjobd.engine.halving import write_in_halves
from asyncjobd.engine.jobs.schedule_moves import Move, move, text_of
from asyncjobd.engine.signals import Signals
from asyncjobd.postgres.outage import describe, is_refusal
from asyncjobd.postgres.session import Session

MAX_BATCH = 50  # schedules a statement, each in a subtransaction of its own
MAX_SLEEP = 3600.0  # seconds; the next time may be farther away than a timer can wait for
FIRST_LOCKED_RETRY = (
    0.005  # seconds until schedules that others have moved or locked are looked at again; doubles
)
LAST_LOCKED_RETRY = 1.0

log = structlog.get_logger("asyncjobd.scheduler")


class Scheduler:
    def __init__(self, session: Session, catalog: ActionCatalog, signals: Signals) -> None:
        self._session = session
        self._catalog = catalog
        self._signals = signals
        self._schedule_due = signals.schedule_due
        self._locked_retry = FIRST_LOCKED_RETRY
        self.turns = 0  # counted for the watchdog

    @property
    def owes_turn(self) -> bool:
        delay = self._schedule_due.delay
        return delay is not None and delay <= 0 and not self._session.is_waiting

    async def run(self) -> None:
        while True:
            self.turns += 1
            delay = self._schedule_due.delay
            if delay is None or delay > 0:
                await self._schedule_due.wait(None if delay is None else min(delay, MAX_SLEEP))
            else:
                await self._look()

    async def _look(self) -> None:
        """Move the schedules that are due, and note when to look again."""
        self._schedule_due.epoch = None
        rows = await self._session.run("jobs/find_due_schedules", limit=MAX_BATCH)
        now_epoch, next_epoch = rows[0]["now_epoch"], rows[0]["next_epoch"]
        self._schedule_due.note_clock(now_epoch)
        if next_epoch is not None:
            self._schedule_due.add(next_epoch)
        moves = [move(dict(row)) for row in rows if row["name"] is not None]
        moved = 0

        async def count(some: Sequence[Move]) -> None:
            nonlocal moved
            moved += await self._move(some)

        async def refused(one: Move, error: Exception) -> None:
            nonlocal moved
            moved += await self._move_without_jobs(one, error)

        await write_in_halves(moves, count, refused)
        if moved < len(moves):
            self._schedule_due.add(now_epoch + self._locked_retry)
            self._locked_retry = min(2 * self._locked_retry, LAST_LOCKED_RETRY)
        else:
            self._locked_retry = FIRST_LOCKED_RETRY
        if len(moves) >= MAX_BATCH:
            self._schedule_due.add(0)

    async def _move(self, moves: Sequence[Move]) -> int:
        """Move schedules on, log what came of it, and return how many were moved."""
        rows = await self._session.run(
            "jobs/move_schedules",
            names=[each.name for each in moves],
            next_at=[each.next_at for each in moves],
            following=[each.following for each in moves],
            times=[text_of(each.times) for each in moves],
            problems=[each.problem for each in moves],
        )
        asked = {each.name: each for each in moves}
        for row in rows:
            done = asked[row["name"]]
            if done.following is not None:
                self._schedule_due.add(done.following.timestamp())
            _log_move(done, row)
        made = {row["job_name"] for row in rows if row["made"]}
        if ready := self._catalog.served & made:
            self._signals.rows_ready.add(*ready)
        return len(rows)

    async def _move_without_jobs(self, refused: Move, error: Exception) -> int:
        """Move a schedule on whose job PostgreSQL refuses, with the reason, and return whether that was done."""
        problem = f"PostgreSQL refuses its job: {describe(error)}"
        log.error("schedule.refused", schedule=refused.name, reason=problem)
        try:
            return await self._move([refused.without_jobs(problem)])
        except Exception as again:
            if not is_refusal(again):
                raise
            log.error("schedule.unwritable", schedule=refused.name, reason=describe(again))
            return 0


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
