"""pgqueuer on asyncpg, as its documentation sets it up for throughput; a done job moves to its log."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.queries import Queries

from tests.benchmarks.peers.protocol import Params, Record, main


class Producer:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._queries = Queries(AsyncpgPoolDriver(pool))

    async def one(self, params: Params) -> None:
        await self._queries.enqueue("noop", json.dumps(params).encode(), 0)

    async def many(self, all_params: list[Params]) -> None:
        count = len(all_params)
        await self._queries.enqueue(
            ["noop"] * count, [json.dumps(params).encode() for params in all_params], [0] * count
        )

    async def at(self, params: Params, when: datetime) -> None:
        await self._queries.enqueue("noop", json.dumps(params).encode(), 0, when - datetime.now(UTC))


class Peer:
    async def setup(self) -> None:
        connection = await asyncpg.connect()
        await Queries(AsyncpgDriver(connection)).install()
        await connection.close()

    async def producer(self, connections: int) -> Producer:
        return Producer(await asyncpg.create_pool(min_size=connections, max_size=connections))

    async def work(self, record: Record, concurrency: int) -> None:
        queue = PgQueuer(AsyncpgPoolDriver(await asyncpg.create_pool(min_size=4, max_size=10)))

        @queue.entrypoint("noop")
        async def noop(job: Any) -> None:
            record.hit(json.loads(job.payload).get("t"))

        await queue.run(batch_size=concurrency, dequeue_timeout=timedelta(seconds=30))


main(Peer())
