"""Jobs with retries of their own, none of which may come earlier than the formula says."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, ClassVar

from tests.faults.ledger import Ledger
from tests.simulation.feature import Feature
from tests.simulation.server import Server
from tests.simulation.watch import claims_of

PACE = 3.0  # seconds from one act to the next, on average
KINDS = ["raises_twice", "outlasts"]
FAILURES = ("failed", "timeout")
EPSILON = 0.001  # seconds
INSERT = """
    with new as (
        insert into asyncjob.job (job_name, params, max_execution_count, retry_interval, retry_backoff, retry_interval_max,
                                  retry_jitter)
        values ($1, $2::jsonb, 1000, make_interval(secs => $3), $4, make_interval(secs => $5), $6)
        returning id
    )
    insert into ledger.job (id, kind, batch) select new.id, $1, 0 from new
"""


class Retries(Feature):
    name: ClassVar = "retries"

    async def run(self, seconds: float) -> None:
        end = asyncio.get_running_loop().time() + seconds
        while await self._next_act(end, PACE):
            await self._insert()

    async def _insert(self) -> None:
        kind, params = self._random.choice(KINDS), json.dumps({"seconds": 0})
        delay = [
            self._random.uniform(0.01, 2),
            self._random.choice([None, 1.0, 1.5, 4.0]),
            self._random.choice([None, 0.5, 3.0]),
            self._random.choice([None, 0.0, 0.2, 1.0]),
        ]
        await self._client.run(lambda db: db.execute(INSERT, kind, params, *delay), begins=False)

    def violations(self, ledger: Ledger, server: Server, stalled: set[str]) -> Iterator[str]:
        if any(strike.fault == "server_clock_stepped" for strike in self._plan.strikes):
            return  # what is due at a time comes when the server's clock says so
        counts = {(claim.job_id, claim.number): claim.execution_count for claim in claims_of(server)}
        executions = defaultdict(list)
        for each in ledger.executions:
            executions[each.job].append(each)
        for job_id, tries in executions.items():
            if job_id in ledger.touched or job_id not in ledger.jobs:
                continue
            for one, following in pairwise(sorted(tries, key=lambda each: each.number)):
                key = (job_id, one.number)
                if ledger.kept.get(key) not in FAILURES or one.number + 1 != following.number:
                    continue
                earliest = one.end + _shortest(ledger.jobs[job_id], counts[key])
                if following.start < earliest - EPSILON:
                    yield (
                        f"job {job_id}: try {counts[key]} ended at {one.end:.3f}, the next one was to begin"
                        f" at {earliest:.3f} and did at {following.start:.3f}"
                    )


def _shortest(row: Any, number: int) -> float:
    """Return the least number of seconds from the end of a try to the next one."""
    delay = row["retry_interval"].total_seconds() * (row["retry_backoff"] or 1) ** (number - 1)
    if row["retry_interval_max"] is not None:
        delay = min(delay, row["retry_interval_max"].total_seconds())
    return float(delay * (1 - (row["retry_jitter"] or 0)))
