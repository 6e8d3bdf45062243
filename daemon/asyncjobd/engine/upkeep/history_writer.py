"""Writes what has ended in this daemon, minute by minute, and how the queue stands: the table asyncjob.rollup.

What ends in a minute of the database's clock is written a moment after it, and what is left at a stop. Each daemon
writes rows of its own, and adds them to the hour of all daemons; how the queue stands, the first that looks writes.
Nothing waits for that: what could not be written is part of the next minute, and a daemon that is killed loses what has
ended since its last one.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

import anyio
import msgspec
import structlog

from asyncjobd.config.model import MINUTES_KEPT
from asyncjobd.engine.clock import DatabaseClock
from asyncjobd.observability.metrics.counters import ActionMetrics, DaemonMetrics
from asyncjobd.postgres.outage import FAILURES, describe, is_refusal
from asyncjobd.postgres.session import Session

MINUTE = 60.0  # seconds
SPREAD = 5.0  # seconds after a minute within which daemons write, so that not all do at once
DELETE_INTERVAL = 600.0  # seconds between two looks for what is old

log = structlog.get_logger("asyncjobd.history")


@dataclass(frozen=True, slots=True)
class Batch:
    """What has ended since the last batch.

    `minute`: when the minute began that it is written for, in seconds since 1970. `figures`: of each job name of which
    something has ended. `counted`: all that has ended of these names since the start of the daemon.
    """

    minute: float
    figures: dict[str, ActionMetrics]
    counted: dict[str, ActionMetrics]

    @property
    def as_json(self) -> str:
        rows = [
            {
                "job_name": name,
                **action.transitions,
                "waited": str(action.wait_times.number),
                "ran": str(action.run_times.number),
            }
            for name, action in self.figures.items()
        ]
        return msgspec.json.encode(rows).decode()


class HistoryWriter:
    def __init__(self, session: Session, daemon_id: int, metrics: DaemonMetrics, keep: timedelta) -> None:
        """`keep`: how long the history is kept; without a length, none is written."""
        self._session = session
        self._daemon_id = daemon_id
        self._metrics = metrics
        self._keep = keep
        self._delay = daemon_id % 1000 / 1000 * SPREAD
        self._clock = DatabaseClock()
        self._last: float | None = None  # the minute of the last batch; None: the clock is not known yet
        self._written: dict[str, ActionMetrics] = {}  # what has been written, by job name
        self._batch: Batch | None = None  # which is being written; after a stop nobody knows whether it was

    async def run(self) -> None:
        if not self._keep:
            return
        ((epoch,),) = await self._session.run("inspect/read_clock")
        self._clock.note(epoch)
        self._last = 0.0 if self._last is None else self._last
        delete_at = 0.0
        minute = self._minute
        while True:
            await asyncio.sleep(minute + MINUTE - self._clock.now)
            self._batch = self._next_batch(minute)
            await asyncio.sleep(self._delay)
            await self._write()
            (row,) = await self._session.run("upkeep/write_queue_history", minute=minute)
            self._clock.note(row["now_epoch"])
            if monotonic() >= delete_at:
                delete_at = monotonic() + DELETE_INTERVAL
                await self._delete_old()
            # by the clock that was just noted, which lags by the time of the reply, the minute may not be over yet
            minute = minute + MINUTE if self._minute == minute else self._minute

    async def finish(self, patience: float) -> None:
        """Write what is left. Give up after `patience` seconds."""
        reason = "the database did not answer in time at the stop"
        try:
            with anyio.move_on_after(patience):
                await self._write()
                self._batch = self._next_batch(self._minute)
                await self._write()
                return
        except FAILURES as error:
            reason = describe(error)
        log.warning("history.unwritten", reason=reason)

    @property
    def _minute(self) -> float:
        """The minute that it is by the database's clock."""
        return self._clock.now // MINUTE * MINUTE

    def _next_batch(self, minute: float) -> Batch | None:
        """Return what is not written yet.

        Return None where there is nothing, or where this minute is written already, as the clock was set back.
        """
        if self._last is None or minute <= self._last:
            return None
        counted, figures = {}, {}
        for name, action in self._metrics.actions.items():
            written = self._written.get(name) or ActionMetrics()
            if action.total != written.total:
                counted[name], figures[name] = action.copy(), action.since(written)
        if not figures:
            return None
        self._last = minute
        return Batch(minute, figures, counted)

    async def _write(self) -> None:
        """Write the batch. One that PostgreSQL refuses is part of the next."""
        if self._batch is None:
            return
        try:
            await self._session.run(
                "upkeep/write_history",
                minute=self._batch.minute,
                daemon_id=self._daemon_id,
                figures=self._batch.as_json,
            )
        except Exception as error:
            if not is_refusal(error):
                raise
            log.error("history.refused", reason=describe(error), consequence="it is part of the next minute")
        else:
            self._written.update(self._batch.counted)
        self._batch = None

    async def _delete_old(self) -> None:
        """Delete what nobody is to look at any more."""
        deleted = 0
        for minutes, keep in ((1, min(self._keep, MINUTES_KEPT)), (60, self._keep)):
            ((rows,),) = await self._session.run("upkeep/delete_history", minutes=minutes, keep=keep)
            deleted += rows
        if deleted:
            log.debug("history.deleted", rows=deleted)
