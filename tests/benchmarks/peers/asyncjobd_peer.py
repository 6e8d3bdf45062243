"""asyncjobd by its own client. Its worker is the daemon, with the handler of asyncjobd_noop.py."""

import asyncio
import itertools
import json
import os
import sys
import time
from datetime import datetime

import uvloop

from asyncjobd import Client, JobBuilder, NewJob
from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.database import Database, Use
from asyncjobd.postgres.schema.migrate import migrate
from tests.benchmarks.peers.protocol import Params, Record, main
from tests.benchmarks.statements import claim, record

DSN = f"postgresql://postgres@/{os.environ['PGDATABASE']}?host={os.environ['PGHOST']}"


class Producer:
    def __init__(self, client: Client, connections: "asyncio.LifoQueue[Connection]") -> None:
        self._client = client
        self._connections = connections

    async def one(self, params: Params) -> None:
        await self._insert(JobBuilder("noop").set_params(params))

    async def many(self, all_params: list[Params]) -> None:
        await self._client.insert_many([NewJob(job_name="noop", params=params) for params in all_params])

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


async def statements(rows: int) -> None:
    """Run the statements of a drain without a daemon, `rows` at a time."""
    database = Database(DatabaseConfig(dsn=DSN))
    claimer = await database.connect("claimer", Use.ENGINE)
    recorder = await database.connect("recorder", Use.ENGINE)
    claimed: asyncio.Queue[list[int]] = asyncio.Queue(1)
    total = 0

    async def claim_all() -> None:
        place = (-32768, 0)
        for token in itertools.count(1):
            found = await claimer.fetch(*claim(database, "noop", token, rows, place))
            ids = sorted(row["id"] for row in found if row["id"] is not None)
            await claimed.put(ids)
            if not ids:
                break
            place = (0, ids[-1])

    began = time.perf_counter()
    claiming = asyncio.create_task(claim_all())
    for token in itertools.count(1):
        ids = await claimed.get()
        if not ids:
            break
        recorded = await recorder.fetch(*record(database, token, ids))
        total += sum(len(row["numbers"]) for row in recorded)
    await claiming
    print(json.dumps({"rate": total / (time.perf_counter() - began)}), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "statements":
        uvloop.run(statements(int(sys.argv[2])))
    else:
        main(Peer())
