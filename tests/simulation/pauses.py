"""Actions that are paused and daemons that drain, by plain SQL, and what that promises.

No claim takes a row of an action that is paused. Where nothing is wrong, a daemon claims nothing from soon after it is
to drain, and what may go on does so soon.
"""

import asyncio
from collections.abc import Iterator
from math import inf
from typing import Any, ClassVar

from tests.faults.ledger import Ledger
from tests.simulation.feature import PROMPT_SECONDS, Feature
from tests.simulation.machine import KINDS
from tests.simulation.server import Server
from tests.simulation.watch import claims_of

PACE = 2.0  # seconds from one act to the next, on average
LONGEST = 8.0  # seconds of a pause
PAUSE = (
    "update asyncjob.action set paused_until = now() + make_interval(secs => $2) where action.name = any ($1)"
)
PAUSE_FOR_EVER = "update asyncjob.action set paused_until = 'infinity' where action.name = any ($1)"
RESUME = "update asyncjob.action set paused_until = null where action.name = any ($1)"
DRAIN = """
    update asyncjob.daemon set is_draining = true
     where daemon.id = (select other.id from asyncjob.daemon as other order by other.id
                        offset $1 % (select nullif(count(*), 0) from asyncjob.daemon) limit 1)
    returning daemon.id
"""
GO_ON = "update asyncjob.daemon set is_draining = false where daemon.is_draining returning daemon.id"
STARTABLE = """
    select job.job_name, (select max(claim.n) from ledger.claim where claim.job_name = job.job_name) as last_claim
      from asyncjob.action
      join asyncjob.job on job.job_name = action.name and job.status = 'In Progress' and job.daemon_id is null
     where (action.paused_until > now()) is not true and not action.is_limited
       and action.max_running_per_daemon is null and not exists (select from asyncjob.daemon where is_draining)
       and ($1 or not exists (select from asyncjob.job as owned where owned.daemon_id is not null))
       for no key update of job skip locked
"""


class Pauses(Feature):
    name: ClassVar = "pauses"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.late = set(KINDS)  # a daemon that drains begins no job of any kind
        self._drains: list[
            list[float]
        ] = []  # of each its daemon, and from when on until when it claims nothing

    async def run(self, seconds: float) -> None:
        acts = [self._pause, self._resume, self._drain, self._undrain]
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._watch_starts(STARTABLE))
            end = asyncio.get_running_loop().time() + seconds
            while await self._next_act(end, PACE):
                await self._random.choice(acts)()
            watching.cancel()

    async def let_end(self) -> None:
        await self._client.run(lambda db: db.execute(RESUME, self._plan.kinds))
        await self._undrain()

    async def _pause(self) -> None:
        kinds = self._some()
        seconds = self._random.choice([None, self._random.uniform(0, LONGEST)])
        if seconds is None:
            await self._client.run(lambda db: db.execute(PAUSE_FOR_EVER, kinds))
        else:
            await self._client.run(lambda db: db.execute(PAUSE, kinds, seconds))

    async def _resume(self) -> None:
        kinds = self._some()
        await self._client.run(lambda db: db.execute(RESUME, kinds))

    def _some(self) -> list[str]:
        return self._random.sample(self._plan.kinds, self._random.randint(1, len(self._plan.kinds)))

    async def _drain(self) -> None:
        number = self._random.randrange(10)
        rows = await self._client.run(lambda db: db.fetch(DRAIN, number))
        now = asyncio.get_running_loop().time()
        self._drains += [[row["id"], now + PROMPT_SECONDS, inf] for row in rows]

    async def _undrain(self) -> None:
        began = asyncio.get_running_loop().time()
        rows = await self._client.run(lambda db: db.fetch(GO_ON))
        for drain in self._drains:
            if drain[2] == inf and drain[0] in {row["id"] for row in rows}:
                drain[2] = began

    def violations(self, ledger: Ledger, server: Server, stalled: set[str]) -> Iterator[str]:
        for claim in claims_of(server):
            if claim.is_paused:
                yield f"job {claim.job_id} was claimed at {claim.at}, while {claim.job_name} was paused"
            for daemon_id, since, until in self._drains if self._plan.is_calm else ():
                if claim.daemon_id == daemon_id and since < claim.at.timestamp() < until:
                    yield f"job {claim.job_id} was claimed by {daemon_id} at {claim.at}, which drains"
