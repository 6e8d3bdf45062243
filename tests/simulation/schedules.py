"""Schedules that are added, changed, paused, set back and deleted, and that a daemon moves on at each of their times."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, ClassVar

from tests.faults.client import PROBE
from tests.faults.ledger import Ledger
from tests.simulation.feature import PROMPT_SECONDS, Feature
from tests.simulation.firings import violations_of
from tests.simulation.server import Server
from tests.simulation.watch import claims_of, firings_of, moves_of

PACE = 3.0  # seconds from one act to the next, on average
NAMES = ["s1", "s2"]
KINDS = ["quick", "sleeps", "reports"]  # which no retry after 15 minutes keeps from their end
CRON = {2: "*/2 * * * * *", 5: "*/5 * * * * *"}  # by the seconds of their steps, at which a minute begins
STEPS = [2, 3, 5]
LONGEST = 3.0  # seconds that a handler takes, and of a pause
PATIENCE = 150.0  # seconds after the last fault, within which no schedule is late any more
ADD = """
    insert into asyncjob.schedule (name, cron, every, anchor, job_name, params, priority, max_execution_count, catch_up,
                                   overlap, jitter)
    values ($1, $2, make_interval(secs => $3), '2001-01-01 UTC', $4, $5, $6, 1000, $7, $8, make_interval(secs => $9))
        on conflict do nothing
"""
RETIME = "update asyncjob.schedule set cron = $2, every = make_interval(secs => $3) where schedule.name = $1"
PAUSE = (
    "update asyncjob.schedule set paused_until = now() + make_interval(secs => $2) where schedule.name = $1"
)
PAUSE_FOR_EVER = "update asyncjob.schedule set paused_until = 'infinity' where schedule.name = $1"
RESUME = "update asyncjob.schedule set paused_until = null where schedule.name = $1"
SET_BACK = (
    "update asyncjob.schedule set next_at = next_at - make_interval(secs => $2) where schedule.name = $1"
)
RUN_NOW = "update asyncjob.schedule set next_at = now() where schedule.name = $1"
DELETE = "delete from asyncjob.schedule where schedule.name = $1"
LATE = """
    select schedule.name from asyncjob.schedule
     where greatest(schedule.next_at, schedule.paused_until) < now() - make_interval(secs => $1)
        or schedule.next_at is null
"""


class Schedules(Feature):
    name: ClassVar = "schedules"

    async def run(self, seconds: float) -> None:
        acts = [
            self._add,
            self._retime,
            self._pause,
            self._resume,
            self._set_back,
            self._run_now,
            self._delete,
        ]
        end = asyncio.get_running_loop().time() + seconds
        for name in NAMES:
            await self._add(name)
        while await self._next_act(end, PACE):
            (act,) = self._random.choices(acts, [4, 2, 2, 2, 2, 1, 1])
            await act(self._random.choice(NAMES))

    async def let_end(self) -> None:
        """Let the schedules come up to their times, then pause them."""
        for name in NAMES:
            await self._execute(RESUME, name)
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while rows := await self._client.run(lambda db: db.fetch(LATE, PROMPT_SECONDS)):
            if asyncio.get_running_loop().time() > deadline:
                self.complaints += [
                    f"schedule {row['name']} is late {PATIENCE:g} s after the last fault" for row in rows
                ]
                break
            await asyncio.sleep(0.5)
        for name in NAMES:
            await self._execute(PAUSE_FOR_EVER, name)

    async def _execute(self, statement: str, *arguments: Any) -> None:
        await self._client.run(lambda db: db.execute(statement, *arguments))

    def _times(self) -> tuple[str | None, float | None]:
        """Return a cron line, or seconds from one time to the next."""
        step = self._random.choice(STEPS)
        return (CRON[step], None) if step in CRON and self._random.random() < 0.5 else (None, float(step))

    async def _add(self, name: str) -> None:
        await self._execute(
            ADD, name, *self._times(), self._random.choice(KINDS),
            json.dumps({"seconds": self._random.random() ** 2 * LONGEST}), PROBE,  # which no client touches
            self._random.choice(["none", "one", "all"]), self._random.choice(["skip", "queue", "allow"]),
            self._random.choice([0.0, 0.0, 1.0]),
        )  # fmt: skip

    async def _retime(self, name: str) -> None:
        await self._execute(RETIME, name, *self._times())

    async def _pause(self, name: str) -> None:
        if self._random.random() < 0.3:
            await self._execute(PAUSE_FOR_EVER, name)
        else:
            await self._execute(PAUSE, name, self._random.uniform(0, LONGEST))

    async def _resume(self, name: str) -> None:
        await self._execute(RESUME, name)

    async def _set_back(self, name: str) -> None:
        await self._execute(SET_BACK, name, self._random.choice([0.5, 3.0, 10.0]))

    async def _run_now(self, name: str) -> None:
        await self._execute(RUN_NOW, name)

    async def _delete(self, name: str) -> None:
        await self._execute(DELETE, name)

    def violations(self, ledger: Ledger, server: Server, stalled: set[str]) -> Iterator[str]:
        is_prompt = self._plan.is_calm and "blocks_loop" not in self._plan.kinds
        firings = firings_of(server)
        pruned = {row["id"] for row in server.run("select id from ledger.pruned")}
        yield from violations_of(moves_of(server), firings, pruned, is_prompt=is_prompt)
        if not any(strike.fault == "server_clock_stepped" for strike in self._plan.strikes):
            times = {firing.job_id: firing.time for firing in firings}
            for claim in claims_of(server):
                if claim.job_id in times and claim.at < times[claim.job_id]:
                    yield f"job {claim.job_id} was claimed at {claim.at}, before its time, {times[claim.job_id]}"
