"""oban for Python on psycopg, with its defaults; done jobs stay."""

import asyncio
from datetime import datetime
from typing import Any

from oban import Oban, worker
from oban.schema import install

from tests.benchmarks.peers.protocol import Params, Record, main

record: Record


@worker(queue="default")
class Noop:
    async def process(self, job: Any) -> None:
        record.hit(job.args.get("t"))


class Producer:
    def __init__(self, oban: Oban) -> None:
        self._oban = oban

    async def one(self, params: Params) -> None:
        await self._oban.enqueue(Noop.new(params))

    async def many(self, all_params: list[Params]) -> None:
        await self._oban.enqueue_many([Noop.new(params) for params in all_params])

    async def at(self, params: Params, when: datetime) -> None:
        await self._oban.enqueue(Noop.new(params, scheduled_at=when))


class Peer:
    async def setup(self) -> None:
        pool = await Oban.create_pool("postgresql://", min_size=1, max_size=2)
        await install(pool)
        await pool.close()

    async def producer(self, connections: int) -> Producer:
        pool = await Oban.create_pool("postgresql://", min_size=connections, max_size=connections)
        return Producer(Oban(pool=pool))

    async def work(self, its_record: Record, concurrency: int) -> None:
        global record
        record = its_record
        pool = await Oban.create_pool("postgresql://", min_size=4, max_size=10)
        await Oban(pool=pool, queues={"default": concurrency}).start()
        await asyncio.Event().wait()


main(Peer())
