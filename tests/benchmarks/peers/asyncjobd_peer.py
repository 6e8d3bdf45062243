"""asyncjobd through its own client; its worker is the daemon, with the handler of asyncjobd_noop.py."""

import asyncio
import os
from datetime import datetime

from asyncjobd import Client, JobBuilder
from asyncjobd.config import DatabaseConfig
from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.schema import migrate
from tests.benchmarks.peers.protocol import Params, Record, main

DSN = f"postgresql://postgres@/{os.environ['PGDATABASE']}?host={os.environ['PGHOST']}"


class Producer:
    def __init__(self, client: Client, connections: "asyncio.LifoQueue[Connection]") -> None:
        self._client = client
        self._connections = connections

    async def one(self, params: Params) -> None:
        await self._insert(JobBuilder("noop").set_params(params))

    async def many(self, all_params: list[Params]) -> None:
        await self._client.insert_many([JobBuilder("noop").set_params(params).build() for params in all_params])

    async def at(self, params: Params, when: datetime) -> None:
        await self._insert(JobBuilder("noop").set_params(params).set_schedule_time(when))

    async def _insert(self, builder: JobBuilder) -> None:
        connection = await self._connections.get()
        await self._client.insert(builder.build(), connection=connection)
        self._connections.put_nowait(connection)


class Peer:
    async def setup(self) -> None:
        await migrate(Database(DatabaseConfig(dsn=DSN)))

    async def producer(self, connections: int) -> Producer:
        database = Database(DatabaseConfig(dsn=DSN))
        queue: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        for _ in range(connections):
            queue.put_nowait(await database.connect("benchmark"))
        return Producer(Client(database), queue)

    async def work(self, record: Record, concurrency: int) -> None:
        raise NotImplementedError("the daemon works")


if __name__ == "__main__":
    main(Peer())
