"""A client that inserts jobs and interferes with them; its way to the servers has no faults."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from time import monotonic
from typing import Any

import asyncpg

from asyncjobd.postgres.outage import is_outage

Connect = Callable[[], Awaitable[Any]]

PATIENCE = 120.0  # seconds for the last jobs, and for any one recovery
PROBE = -1  # the priority of jobs that tell whether jobs run; below 0 no client interferes
MIX = {"quick": 80, "writes": 8, "sleeps": 5, "sleeps_in_thread": 3, "fails_twice": 4}  # of 100 jobs


class Client:
    def __init__(self, connect: Connect, seed: int, first_batch: int = 0) -> None:
        self._connect = connect
        self._random = random.Random(seed)
        self._connection: Any = None
        self._using = asyncio.Lock()
        self._batch = first_batch

    async def run(self, work: Callable[[Any], Awaitable[Any]], *, begins: bool = True) -> Any:
        """Run the work, again until it has committed. `begins`: in a transaction; else each statement is one."""
        async with self._using, asyncio.timeout(PATIENCE):
            while True:
                try:
                    if self._connection is None or self._connection.is_closed():
                        self._connection = await self._connect()
                    async with self._connection.transaction() if begins else nullcontext():
                        return await work(self._connection)
                except Exception as error:
                    if not is_outage(error):
                        raise
                    if self._connection is not None:
                        self._connection.terminate()
                await asyncio.sleep(0.05)

    async def insert(self, kinds: list[str], priority: int = 0, seconds: float | None = None) -> list[int]:
        """Insert jobs once, also where the reply to a commit is lost: the batch's number tells."""
        self._batch += 1
        batch = self._batch
        params = [
            json.dumps({"seconds": self._random.uniform(0, 1) if seconds is None else seconds}) for _ in kinds
        ]

        async def work(db: Any) -> list[int]:
            if not await db.fetchval(
                "insert into ledger.batch values ($1) on conflict do nothing returning n", batch
            ):
                return [
                    row["id"]
                    for row in await db.fetch("select id from ledger.job where batch = $1 order by id", batch)
                ]
            rows = await db.fetch(
                "insert into asyncjob.job (job_name, params, priority, max_execution_count, retry_interval)"
                " select kind, params, $3, 1000, interval '500 ms' from unnest($1::text[], $2::jsonb[]) with ordinality"
                " as new (kind, params, n) order by n returning id",
                kinds, params, priority,
            )  # fmt: skip
            ids = [row["id"] for row in rows]
            await db.execute(
                "insert into ledger.job select id, kind, $3 from unnest($1::bigint[], $2::text[]) as j (id, kind)",
                ids,
                kinds,
                batch,
            )
            return ids

        return await self.run(work)  # type: ignore[no-any-return]

    async def insert_mixed(self, count: int) -> None:
        await self.insert(self._random.choices(list(MIX), list(MIX.values()), k=count))

    async def interfere(self, count: int) -> None:
        """Give random statuses to jobs, of which most run or wait, or to none of them."""

        async def work(db: Any) -> None:
            rows = await db.fetch(
                "update ledger.job set is_touched = true, status = null where id in (select id from asyncjob.job where status <> 'Completed'"
                " and priority >= 0 order by random() limit $1) returning id", count,
            )  # fmt: skip
            for row in sorted(row["id"] for row in rows):
                status = self._random.choice(["Queued", "In Progress", "Hold", "Completed", "Failed"])
                await db.execute(
                    "update asyncjob.job set status = $2::text::asyncjob.status where id = $1", row, status
                )

        with suppress(asyncpg.UniqueViolationError):  # a job cannot run again while another one has its key
            await self.run(work)

    async def probe(self) -> float:
        """Return the seconds until a new job has run. A struck daemon may hold it, so one more is inserted every 0.2 s."""
        began = monotonic()
        ids: list[int] = []
        statement = "select exists (select from asyncjob.job where id = any($1) and status = 'Completed')"
        async with asyncio.timeout(PATIENCE):
            while not ids or not await self.run(lambda db: db.fetchval(statement, ids)):
                if monotonic() - began >= 0.2 * len(ids):
                    ids.extend(await self.insert(["quick"], priority=PROBE))
                await asyncio.sleep(0.01)
        return monotonic() - began

    async def probe_once(self) -> float:
        """Return the seconds from the commit of a new job to its end."""
        (job_id,) = await self.insert(["quick"], priority=PROBE)
        began = monotonic()
        statement = "select exists (select from asyncjob.job where id = $1 and status = 'Completed')"
        async with asyncio.timeout(PATIENCE):
            while not await self.run(lambda db: db.fetchval(statement, job_id), begins=False):
                await asyncio.sleep(0.01)
        return monotonic() - began

    async def settle(self) -> None:
        """Wait until no job is left to do."""
        statement = "select count(*) from asyncjob.job where status in ('Queued', 'In Progress') or daemon_id is not null"
        deadline = monotonic() + PATIENCE
        while left := await self.run(lambda db: db.fetchval(statement)):
            assert monotonic() < deadline, f"{left} jobs have not ended after {PATIENCE:g} s"
            await asyncio.sleep(0.1)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
