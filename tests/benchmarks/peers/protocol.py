"""The commands that each peer of the comparison takes, one a process. PGHOST, PGDATABASE and the like name the database.

    setup | bulk N | single N CLIENTS | trickle N PAUSE | steady RATE SECONDS BATCH | schedule N SECONDS | work CONCURRENCY REPORT

Producers print what they measured as JSON. A worker appends lines to the file REPORT: "FIRST TIME" at its first job,
"LAST TIME" at job number $JOBS, and at SIGUSR2 "LATENCIES TIME ..." of all jobs that carry a time. Times are
CLOCK_MONOTONIC in nanoseconds, the same in all processes.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import uvloop

BATCH = 5000
Params = dict[str, Any]


class Producer(Protocol):
    async def one(self, params: Params) -> None: ...
    async def many(self, all_params: list[Params]) -> None: ...
    async def at(self, params: Params, when: datetime) -> None: ...


class Peer(Protocol):
    async def setup(self) -> None: ...
    async def producer(self, connections: int) -> Producer: ...
    async def work(self, record: "Record", concurrency: int) -> None: ...


class Record:
    """The record that a no-op handler keeps of its jobs."""

    def __init__(self, report: Path) -> None:
        self._report = report
        self._count = 0
        self._last = int(os.environ["JOBS"])
        self._latencies: list[int] = []

    def hit(self, time_of_insert: int | None) -> None:
        if time_of_insert is not None:
            self._latencies.append(time.monotonic_ns() - int(time_of_insert))
        self._count += 1
        if self._count == 1:
            self._write("FIRST", time.monotonic_ns())
        elif self._count == self._last:
            self._write("LAST", time.monotonic_ns())

    def dump(self) -> None:
        self._write("LATENCIES", *self._latencies)

    def _write(self, *words: object) -> None:
        with self._report.open("a") as file:
            print(*words, file=file)


async def bulk(producer: Producer, count: int) -> Params:
    began = time.perf_counter()
    for start in range(0, count, BATCH):
        await producer.many([{"i": i} for i in range(start, min(count, start + BATCH))])
    return {"rate": count / (time.perf_counter() - began)}


async def single(producer: Producer, count: int, clients: int) -> Params:
    await asyncio.gather(*[producer.one({"i": -1}) for _ in range(clients)])  # all connections are warm
    numbers = iter(range(count))

    async def insert() -> None:
        for i in numbers:
            await producer.one({"i": i})

    began = time.perf_counter()
    await asyncio.gather(*[insert() for _ in range(clients)])
    return {"rate": count / (time.perf_counter() - began)}


async def trickle(producer: Producer, count: int, pause: float) -> Params:
    began = time.monotonic()
    for i in range(count):
        await asyncio.sleep(max(0.0, began + i * pause - time.monotonic()))
        await producer.one({"t": time.monotonic_ns()})
    return {"sent": count}


async def steady(producer: Producer, rate: int, seconds: int, batch: int) -> Params:
    began = time.monotonic()
    for i in range(rate * seconds // batch):
        await asyncio.sleep(max(0.0, began + i * batch / rate - time.monotonic()))
        await producer.many([{"t": time.monotonic_ns()}] * batch)
    return {"sent": rate * seconds, "rate": rate * seconds / (time.monotonic() - began)}


async def schedule(producer: Producer, count: int, seconds: float) -> Params:
    """Insert jobs that are due one after the other from two seconds from now on; each carries the time when it is due."""
    base, base_ns = datetime.now(UTC), time.monotonic_ns()
    for i in range(count):
        after = 2 + i * seconds / count
        await producer.at({"t": base_ns + int(after * 1e9)}, base + timedelta(seconds=after))
    return {"sent": count}


async def work(peer: Peer, concurrency: int, report: str) -> None:
    record = Record(Path(report))

    def end() -> None:
        record.dump()
        os._exit(0)

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, end)
    await peer.work(record, concurrency)


COMMANDS: dict[str, tuple[Callable[..., Any], int]] = {  # with the connections that they need
    "bulk": (bulk, 8), "single": (single, 0), "trickle": (trickle, 1), "steady": (steady, 1), "schedule": (schedule, 8),
}  # fmt: skip


async def run(peer: Peer, command: str, *arguments: str) -> None:
    if command == "setup":
        await peer.setup()
    elif command == "work":
        await work(peer, int(arguments[0]), arguments[1])
    else:
        function, connections = COMMANDS[command]
        numbers = [json.loads(argument) for argument in arguments]
        producer = await peer.producer(connections or numbers[1])
        print(json.dumps(await function(producer, *numbers)), flush=True)
        os._exit(0)  # what peers' pools do at their end is not measured


def main(peer: Peer) -> None:
    uvloop.run(run(peer, *sys.argv[1:]))
