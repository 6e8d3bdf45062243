"""Rows that a trigger of the site lets no daemon claim, promote or complete: they are set aside, and hold up no others."""

import asyncio
import json
from collections.abc import Iterator
from typing import ClassVar

from tests.faults.ledger import Ledger
from tests.simulation.feature import Feature
from tests.simulation.server import Server

PACE = 4.0  # seconds from one act to the next, on average
REFUSED = ["claim", "promotion", "success"]
TRANSACTIONAL = {
    "writes",
    "spawns",
}  # whose handlers complete their jobs themselves: what is refused is tried again
# They count as touched by a client, as they do not end as all others do.
INSERT = """
    with new as (
        insert into asyncjob.job (job_name, params, schedule_time, priority, limit_key, max_execution_count, retry_interval)
        select $1, $2::jsonb, now() + make_interval(secs => $3), $4, $5, 1000, interval '500 ms'
          from generate_series(1, $6)
        returning id
    )
    insert into ledger.job (id, kind, batch, is_touched) select new.id, $1, 0, true from new
"""


class Refusals(Feature):
    name: ClassVar = "refusals"

    async def run(self, seconds: float) -> None:
        end = asyncio.get_running_loop().time() + seconds
        while await self._next_act(end, PACE):
            await self._insert()

    async def _insert(self) -> None:
        refused, kind = self._random.choice(REFUSED), self._random.choice(self._plan.kinds)
        if refused == "success" and kind in TRANSACTIONAL:
            return
        row = (
            kind,
            json.dumps({"seconds": 0.1, "refused": refused}),
            self._random.uniform(0, 3) if refused == "promotion" else None,
            self._random.randrange(3),
            self._random.choice([None, "a"]),
            self._random.choice([1, 1, 3]),
        )
        await self._client.run(lambda db: db.execute(INSERT, *row), begins=False)

    def violations(self, ledger: Ledger, server: Server, stalled: set[str]) -> Iterator[str]:
        begun = {each.job for each in ledger.executions}
        for job_id, row in ledger.jobs.items():
            refused = json.loads(row["params"]).get("refused")
            if refused == "claim" and job_id in begun:
                yield f"job {job_id} has begun, and none of its claims was written"
            if refused is not None and row["ordered_at"] is None:  # no client has changed it
                expected = "Failed" if refused == "success" else "Hold"
                if row["status"] != expected:
                    yield f"job {job_id}, whose {refused} is refused, is {row['status']}, not {expected}"
