"""awa-pg, a Rust engine with Python handlers, with its defaults; done jobs stay."""

import asyncio
import os
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import awa

from tests.benchmarks.peers.protocol import Params, Record, main


@dataclass
class Noop:
    i: int = 0
    t: int = 0


def client() -> awa.AsyncClient:
    return awa.AsyncClient(
        f"postgres://postgres@localhost/{os.environ['PGDATABASE']}?host={os.environ['PGHOST']}"
    )


class Producer:
    def __init__(self) -> None:
        self._client = client()

    async def one(self, params: Params) -> None:
        await self._client.insert(Noop(**params))

    async def many(self, all_params: list[Params]) -> None:
        await self._client.enqueue_many_copy([Noop(**params) for params in all_params])

    async def at(self, params: Params, when: datetime) -> None:
        await self._client.insert(Noop(**params), run_at=when.isoformat())


class Peer:
    async def setup(self) -> None:
        setting_up = client()
        await setting_up.migrate()
        await setting_up.install_queue_storage()
        await setting_up.close()

    async def producer(self, connections: int) -> Producer:
        return Producer()

    async def work(self, record: Record, concurrency: int) -> None:
        working = client()

        @working.task(Noop, queue="default")
        async def noop(job: Any) -> None:
            record.hit(job.args.t or None)

        await working.start([("default", concurrency)], poll_interval_ms=50)
        await asyncio.Event().wait()


main(Peer())
