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


# columns of jobs/record_outcomes that are null where a handler has answered success
USUAL = (
    "outcomes", "statuses", "on_grid", "delays", "results", "messages", "tracebacks", "progress", "progress_messages",
)  # fmt: skip


async def statements(rows: int) -> None:
    """Run the statements of a drain without a daemon, `rows` at a time."""
    database = Database(DatabaseConfig(dsn=DSN))
    claimer = await database.connect("claimer", Use.ENGINE)
    recorder = await database.connect("recorder", Use.ENGINE)
    claimed: asyncio.Queue[list[int]] = asyncio.Queue(1)
    total = 0

    async def claim() -> None:
        place = (-32768, 0)
        for token in itertools.count(1):
            query = database.query(
                "jobs/claim_jobs", daemon_id=1, claim_token=token, wanted=rows, names=["noop"], retry_intervals=[None],
                max_execution_counts=[None], are_recursive=[None], timeouts=[None], after_priorities=[place[0]],
                after_ids=[place[1]], widths=[rows], width=rows, memory=2**25, reads_params=True, left_alone=[],
            )  # fmt: skip
            found = await claimer.fetch(*query)
            ids = sorted(row["id"] for row in found if row["id"] is not None)
            await claimed.put(ids)
            if not ids:
                break
            place = (0, ids[-1])

    began = time.perf_counter()
    claiming = asyncio.create_task(claim())
    for token in itertools.count(1):
        ids = await claimed.get()
        if not ids:
            break
        query = database.query(
            "jobs/record_outcomes", job_ids=ids, claim_tokens=[token] * len(ids), ages=[0.0] * len(ids),
            **dict.fromkeys(USUAL),
        )  # fmt: skip
        recorded = await recorder.fetch(*query)
        total += sum(len(row["numbers"]) for row in recorded)
    await claiming
    print(json.dumps({"rate": total / (time.perf_counter() - began)}), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "statements":
        uvloop.run(statements(int(sys.argv[2])))
    else:
        main(Peer())
