"""Requests with keys by several clients at a time, and what the keys promise.

There is one row of a once_key, however often it was asked for. A request with a debounce_key is seen by a job that is
claimed after it, with the params of the last request for that job. Jobs with one unique_key do not run at a time. No
statement of a daemon fails on a key.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from random import Random
from typing import Any, ClassVar

import asyncpg

from tests.faults.client import Client
from tests.faults.ledger import Ledger
from tests.simulation.feature import Feature, honest
from tests.simulation.server import Server
from tests.simulation.watch import claims_of, requests_of

CLIENTS = 3
PACE = 4.0  # seconds from one request of a client to the next, on average
KEYS = ["a", "b"]  # of those that producers have as unique_key, too
LONGEST = 0.5  # seconds that a handler takes
LONGEST_DELAY = 2.0  # seconds of a debounce
LONGEST_OPEN = 5.0  # seconds that a transaction stays open
DEBOUNCE = """
    select asyncjob.debounce($1, $2::jsonb, $3, make_interval(secs => $4), make_interval(secs => $5)) as id
"""
NOTE_REQUEST = """
    insert into ledger.request (job_id, number, is_begun)
    select $1, $2, exists (select from ledger.claim where claim.job_id = $1)
"""
UNIQUE = """
    insert into asyncjob.job (job_name, params, unique_key) values ($1, $2::jsonb, $3) on conflict do nothing
    returning id
"""
REPLACE = """
    insert into asyncjob.job (job_name, params, unique_key) values ($1, $2::jsonb, $3)
        on conflict (unique_key) where unique_key is not null and status in ('Queued', 'In Progress', 'Hold')
        do update set params = excluded.params where job.daemon_id is null
    returning id
"""
ONCE = """
    insert into asyncjob.job (job_name, params, once_key, priority) values ($1, $2::jsonb, $3, -1)
        on conflict do nothing
    returning id
"""
NOTE_JOB = "insert into ledger.job (id, kind, batch) values ($1, $2, 0) on conflict do nothing"
PATIENT = "update asyncjob.job set max_execution_count = 1000, retry_interval = '500 ms' where job.id = $1"


class Keys(Feature):
    name: ClassVar = "keys"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._once: set[str] = set()  # keys that were asked for
        self._number = 0  # of the last request
        self.late = {*self._plan.kinds}  # a transaction may stay open after it has inserted a row that is due

    async def run(self, seconds: float) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                client = self._new_client(f"{self.name} {number}")
                group.create_task(self._request(client, Random(self._random.random()), seconds))

    async def _request(self, client: Client, random: Random, seconds: float) -> None:
        """Let one client ask for jobs, again and again."""
        end = asyncio.get_running_loop().time() + seconds
        while await self._next_act(end, PACE, random):
            act = random.choice([self._debounce, self._debounce, self._insert_unique, self._insert_once])
            with suppress(asyncpg.UniqueViolationError):
                await act(client, random)

    def _new(self, random: Random) -> tuple[str, str, str]:
        """Return kind, params and key of a request."""
        self._number += 1
        params = {"seconds": random.random() ** 2 * LONGEST, "request": self._number}
        return random.choice(self._plan.kinds), json.dumps(params), random.choice(KEYS)

    async def _debounce(self, client: Client, random: Random) -> None:
        kind, params, key = self._new(random)
        number, delay = self._number, random.uniform(0, LONGEST_DELAY)
        pause = random.random() ** 3 * LONGEST_OPEN

        async def ask(db: Any) -> None:
            (row,) = await db.fetch(
                DEBOUNCE, kind, params, f"{kind} {key}", delay, random.choice([None, 3.0])
            )
            await db.execute(NOTE_REQUEST, row["id"], number)
            await db.execute(NOTE_JOB, row["id"], kind)
            await db.execute(PATIENT, row["id"])
            await asyncio.sleep(pause)

        await client.run(ask)

    async def _insert_unique(self, client: Client, random: Random) -> None:
        kind, params, key = self._new(random)
        statement, pause = random.choice([UNIQUE, REPLACE]), random.random() ** 3 * LONGEST_OPEN

        async def ask(db: Any) -> None:
            for row in await db.fetch(statement, kind, params, key):
                await db.execute(NOTE_JOB, row["id"], kind)
                await db.execute(PATIENT, row["id"])
            await asyncio.sleep(pause)

        await client.run(ask)

    async def _insert_once(self, client: Client, random: Random) -> None:
        kind, params, _ = self._new(random)
        key = f"once {random.randrange(8)}"
        pause = random.random() ** 3 * LONGEST_OPEN

        async def ask(db: Any) -> None:
            for row in await db.fetch(ONCE, kind, params, key):
                await db.execute(NOTE_JOB, row["id"], kind)
                await db.execute(PATIENT, row["id"])
            await asyncio.sleep(pause)

        await client.run(ask)
        self._once.add(key)

    def violations(self, ledger: Ledger, server: Server, stalled: set[str]) -> Iterator[str]:
        pruned = {row["once_key"] for row in server.run("select once_key from ledger.pruned")}
        for key in sorted(self._once - pruned):
            if (count := sum(row["once_key"] == key for row in ledger.jobs.values())) != 1:
                yield f"there are {count} jobs of the once_key {key!r}"
        yield from _unseen(ledger, server)
        yield from _at_a_time(ledger, stalled)


def _unseen(ledger: Ledger, server: Server) -> Iterator[str]:
    """Yield requests with a debounce_key that no job has seen."""
    first = {claim.job_id: json.loads(claim.params) for claim in reversed(claims_of(server))}
    last = {request.job_id: request.number for request in requests_of(server)}
    for request in requests_of(server):
        if request.job_id in ledger.touched:
            continue
        if request.is_begun:
            yield f"job {request.job_id} was to see request {request.number}, and had begun"
        elif request.job_id not in first:
            yield f"job {request.job_id} was to see request {request.number}, and has not begun"
        elif first[request.job_id]["request"] != last[request.job_id]:
            yield f"job {request.job_id} has seen {first[request.job_id]}, its last request is {last[request.job_id]}"


def _at_a_time(ledger: Ledger, stalled: set[str]) -> Iterator[str]:
    """Yield jobs with one unique_key that ran at a time."""
    by_key = defaultdict(list)
    for each in honest(ledger, stalled):
        if (key := ledger.jobs[each.job]["unique_key"]) is not None and each.job not in ledger.touched:
            by_key[key].append(each)
    for key, executions in by_key.items():
        executions.sort(key=lambda each: each.start)
        for n, first in enumerate(executions):
            for second in executions[n + 1 :]:
                if second.start < first.end and second.job != first.job:
                    yield f"jobs {first.job} and job {second.job} of the unique_key {key!r} ran at a time"
