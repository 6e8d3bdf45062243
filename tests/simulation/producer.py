"""A producer: a random walk through what clients may do, in transactions short and long."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import Any

import asyncpg

from tests.faults.client import PROBE, Client
from tests.simulation.plan import Plan

INSERT = """
    with new as (
        insert into asyncjob.job (job_name, params, priority, max_execution_count, retry_interval, schedule_time,
                                  unique_key)
        select row.kind, row.params::jsonb, row.priority, 1000, interval '500 ms', now() + make_interval(secs => $4),
               row.key
          from unnest($1::text[], $2::text[], $3::integer[], $5::text[]) as row (kind, params, priority, key)
            on conflict do nothing
        returning id, job_name
    )
    insert into ledger.job (id, kind, batch, is_touched)
    select new.id, new.job_name, 0, new.job_name = 'nobody' from new
    returning id
"""
# If one that it waits for is ended by a client, it waits for the others: it runs in any case.
INSERT_WAITING = """
    with new as (
        insert into asyncjob.job (job_name, params, priority, max_execution_count, retry_interval, parent_id, waits_for,
                                  waits_for_children, when_failed)
        select row.kind, row.params::jsonb, $3, 1000, interval '500 ms', $4, $5, $6, 'Queued'
          from unnest($1::text[], $2::text[]) as row (kind, params)
        returning id, job_name
    )
    insert into ledger.job (id, kind, batch)
    select new.id, new.job_name, 0 from new
    returning id
"""
SOME = """
    update ledger.job set is_touched = true, status = null
     where id in (select id from asyncjob.job where status <> 'Completed' and priority >= 0 order by random() limit 3)
    returning id
"""
CHANGE = """
    with changed as (
        update asyncjob.job set status = $2::text::asyncjob.status where id = $1 returning status
    )
    update ledger.job set status = (select changed.status from changed) where id = $1
"""
STATUSES = ["Queued", "In Progress", "Hold", "Completed", "Failed"]
STOP_SECONDS = 4.0  # from a client's stop to the end of the handler
KEYS = [None, None, None, None, "a", "b"]  # unique ones, of which most jobs have none
LONGEST = 20.0  # seconds that a transaction stays open
SLOW_SECONDS = 0.5  # from which on the time until its commit counts


class RolledBack(Exception):
    """Raised to leave a transaction without a commit."""


class Producer:
    def __init__(self, client: Client, plan: Plan, random: Random) -> None:
        self._client = client
        self._plan = plan
        self._random = random
        self.slow: set[int] = set()  # jobs whose transactions stayed open for a while
        self.complaints: list[str] = []

    async def run(self, seconds: float) -> None:
        """Act again and again, for so many seconds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        acts: list[Callable[[], Awaitable[None]]] = [
            self._insert, self._insert_again, self._insert_slowly, self._schedule, self._change, self._insert_unserved,
            self._insert_waiting,
        ]  # fmt: skip
        weights = [5, 3, 2, 2, 1, 0.3, 3 if "waiting" in self._plan.features else 0]
        while loop.time() < end:
            await asyncio.sleep(self._random.expovariate(self._plan.rate))
            (act,) = self._random.choices(acts, weights)
            await act()

    async def _insert(self) -> None:
        await self._insert_some(self._random.choice([1, 1, 1, 2, 8]), delay=None, pause=0.0, commits=True)

    async def _insert_again(self) -> None:
        """Insert a job, and more at the time when a daemon that finds nothing more falls asleep."""
        for _ in range(self._random.randint(2, 6)):
            await self._insert_some(1, delay=None, pause=0.0, commits=True)
            await asyncio.sleep(self._random.uniform(0, 0.2))

    async def _insert_slowly(self) -> None:
        """Keep the transaction open, and perhaps roll it back in the end."""
        pause = self._random.random() ** 3 * LONGEST
        await self._insert_some(
            self._random.choice([1, 1, 3]), None, pause, commits=self._random.random() < 0.8
        )

    async def _schedule(self) -> None:
        await self._insert_some(self._random.choice([1, 3]), self._random.uniform(-1, 10), 0.0, commits=True)

    async def _insert_unserved(self) -> None:
        """Insert a job that nobody serves, which goes on Hold."""

        await self._client.run(
            lambda db: db.fetch(INSERT, ["nobody"], ["{}"], [0], None, [None]), begins=False
        )

    async def _insert_waiting(self) -> None:
        """Insert jobs, then a parent that waits for them, its children, and a job that waits for the parent."""
        needed: list[int] = []

        async def insert(
            db: Any,
            count: int,
            parent: int | None = None,
            waits_for: list[int] | None = None,
            *,
            waits: bool = False,
        ) -> list[int]:
            kinds, params = self._jobs(count)
            rows = await db.fetch(INSERT_WAITING, kinds, params, PROBE, parent, waits_for, waits)
            return [row["id"] for row in rows]

        async def insert_first(db: Any) -> None:
            needed[:] = await insert(db, self._random.randint(1, 3))

        async def insert_rest(db: Any) -> None:
            (parent,) = await insert(db, 1, waits_for=needed, waits=True)
            await insert(db, self._random.randint(0, 3), parent)
            await insert(db, 1, waits_for=[parent, *needed])

        with suppress(asyncpg.ForeignKeyViolationError):  # a failover has lost the first ones
            await self._client.run(insert_first)
            await asyncio.sleep(self._random.random() ** 3)
            await self._client.run(insert_rest)

    def _jobs(self, count: int) -> tuple[list[str], list[str]]:
        """Return kinds and params of new jobs."""
        kinds = self._random.choices(self._plan.kinds, k=count)
        return kinds, [
            json.dumps({"seconds": self._random.random() ** 2 * self._plan.longest}) for _ in kinds
        ]

    async def _insert_some(self, count: int, delay: float | None, pause: float, *, commits: bool) -> None:
        kinds, params = self._jobs(count)
        priorities = self._random.choices(range(3), k=count)
        keys = sorted(self._random.choices(KEYS, k=count), key=str)  # in one order, as they lock each other

        async def work(db: Any) -> list[int]:
            rows = await db.fetch(INSERT, kinds, params, priorities, delay, keys)
            await asyncio.sleep(pause)
            if not commits:
                raise RolledBack
            return [row["id"] for row in rows]

        began = asyncio.get_running_loop().time()
        with suppress(RolledBack):
            ids = await self._client.run(work, begins=pause > 0)
            if (
                asyncio.get_running_loop().time() > began + SLOW_SECONDS
            ):  # it may have waited for another one's key
                self.slow.update(ids)

    async def _change(self) -> None:
        """Write statuses of some rows, or delete them, and keep them locked for a while."""
        pause = self._random.random() ** 3 * LONGEST
        statuses = [self._random.choice([*STATUSES, None]) for _ in range(3)]

        async def work(db: Any) -> list[int]:
            ids = sorted(row["id"] for row in await db.fetch(SOME))
            for job_id, status in zip(ids, statuses, strict=False):
                if status is None:
                    await db.execute("delete from asyncjob.job where id = $1", job_id)
                else:
                    await db.execute(CHANGE, job_id, status)
            await asyncio.sleep(pause)
            return ids

        with suppress(asyncpg.UniqueViolationError):  # a job cannot run again while another one has its key
            await self._expect_release(await self._client.run(work))

    async def _expect_release(self, ids: list[int]) -> None:
        """Expect that handlers whose jobs were stopped end soon, where nothing is wrong.

        Time in which another client has locked such a row does not count: no outcome can be recorded then.
        """
        if not self._plan.is_calm or "blocks_loop" in self._plan.kinds:
            return
        owned = "select id from asyncjob.job where id = any ($1) and stop_requested and daemon_id is not null"
        deadline = asyncio.get_running_loop().time() + STOP_SECONDS
        while left := await self._client.run(lambda db: db.fetch(owned, ids), begins=False):
            free = await self._client.run(
                lambda db: db.fetch(f"{owned} for share skip locked", ids), begins=False
            )
            if len(free) < len(left):
                deadline = asyncio.get_running_loop().time() + STOP_SECONDS
            elif asyncio.get_running_loop().time() > deadline:
                self.complaints.append(f"job {left[0]['id']} runs on {STOP_SECONDS:g} s after it was stopped")
                return
            await asyncio.sleep(0.3)
