"""The scenarios of the comparison. Each measures one contender and returns its figures by their names."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic, monotonic_ns
from typing import Any

from tests.benchmarks.bench import Bench, Worker
from tests.benchmarks.contenders import Installation
from tests.benchmarks.processes import cpu_seconds, peak_mebibytes

Figures = dict[str, float]
Scenario = Callable[[Bench, Installation, "Size"], Awaitable[Figures]]

PATIENCE = 5.0  # seconds for the last jobs to begin, once all are due


@dataclass(frozen=True)
class Size:
    """How much the scenarios do. Counts are jobs, times are seconds."""

    drain: int = 50_000
    longest_drain: float = 15.0  # what is done by then counts
    backlog: int = 1_000_000
    backlog_time: float = 10.0
    inserts: int = 3000
    inserts_beside_a_drain: int = 10_000
    trickle: int = 400
    steady_rate: int = 1000  # jobs a second
    steady_time: int = 15
    scheduled: int = 1000
    scheduled_time: float = 10.0
    warm_up: float = 1.5  # for a worker that has run its first job to fall asleep
    idle_before: float = 12.0  # the counts of an idle session reach the server's within 10
    idle_time: float = 30.0


FULL = Size()
CHECK = Size(
    drain=500, longest_drain=5.0, backlog=2000, backlog_time=0.5, inserts=100, inserts_beside_a_drain=100, trickle=20,
    steady_rate=200, steady_time=1, scheduled=20, scheduled_time=0.5, warm_up=0.1, idle_before=0.1, idle_time=0.5,
)  # fmt: skip


async def bulk_insert(bench: Bench, installation: Installation, size: Size) -> Figures:
    database = await bench.database(installation)
    made = await asyncio.to_thread(installation.call, bench.host, database, "bulk", size.drain)
    return {"S1 bulk insert, jobs/s": made["rate"]}


async def single_inserts(bench: Bench, installation: Installation, size: Size) -> Figures:
    figures = {}
    for clients in (1, 32):
        database = await bench.database(installation)
        async with bench.worker(installation, database) as worker:
            await _warm(bench, installation, database, worker, size)
            made = await asyncio.to_thread(
                installation.call, bench.host, database, "single", size.inserts, clients
            )
        figures[f"S2 single inserts, {clients} client{'s'[: clients > 1]}, jobs/s"] = made["rate"]
    return figures


async def inserts_beside_a_drain(bench: Bench, installation: Installation, size: Size) -> Figures:
    figures = {}
    for triggers in ("", ", without triggers"):
        database = await bench.database(installation, size.backlog)
        async with bench.worker(installation, database) as worker:
            await worker.first()
            if triggers:  # of a daemon that runs: none starts on a schema like that
                db = await bench.connect(database)
                await db.execute("alter table asyncjob.job disable trigger user")
                await db.close()
            made = await asyncio.to_thread(
                installation.call, bench.host, database, "single", size.inserts_beside_a_drain, 32
            )
        figures[f"S2 the same beside a drain, 32 clients{triggers}, jobs/s"] = made["rate"]
    return figures


async def statements_alone(bench: Bench, installation: Installation, size: Size) -> Figures:
    """Measure the statements of a drain without a daemon: 500 rows each, claimed and recorded at the same time."""
    database = await bench.database(installation, size.drain)
    made = await asyncio.to_thread(installation.call, bench.host, database, "statements", 500)
    return {"S3 the statements alone, jobs/s": made["rate"]}


async def drain(bench: Bench, installation: Installation, size: Size) -> Figures:
    database = await bench.database(installation, size.drain)
    db = await bench.connect(database)
    server = bench.cpu_seconds()
    async with bench.worker(installation, database, jobs=size.drain) as worker:
        first = await worker.first()
        own = cpu_seconds(worker.process.pid)
        await worker.last(size.longest_drain)  # counting what is done would slow it
        done, seconds = await _drained(db, installation, size, first)
        figures = {
            "S3 drain of 50,000, jobs/s": done / seconds,
            "S3 worker, CPU us/job": (cpu_seconds(worker.process.pid) - own) / done * 1e6,
            "S3 PostgreSQL, CPU us/job": (bench.cpu_seconds() - server) / done * 1e6,
            "S10 worker at its peak in S3, MiB": peak_mebibytes(worker.process.pid),
        }
    await db.close()
    return figures


async def idle_latency(bench: Bench, installation: Installation, size: Size) -> Figures:
    database = await bench.database(installation)
    async with bench.worker(installation, database) as worker:
        await _warm(bench, installation, database, worker, size)
        await asyncio.to_thread(installation.call, bench.host, database, "trickle", size.trickle, 0.02)
        latencies = await _latencies(bench, installation, database, worker, size.trickle + 1)
    return {
        "S4 idle latency, median, ms": _share(latencies, 0.5),
        "S4 idle latency, p99, ms": _share(latencies, 0.99),
    }


async def steady_load(bench: Bench, installation: Installation, size: Size) -> Figures:
    database = await bench.database(installation)
    db = await bench.connect(database)
    async with bench.worker(installation, database) as worker:
        await _warm(bench, installation, database, worker, size)
        made = await asyncio.to_thread(
            installation.call, bench.host, database, "steady", size.steady_rate, size.steady_time, 10
        )
        total = int(made["sent"]) + 2
        left = total - await _done(db, installation, total)
        latencies = await _latencies(bench, installation, database, worker, total)
    await db.close()
    return {
        "S5 1,000 jobs/s, median, ms": _share(latencies, 0.5),
        "S5 1,000 jobs/s, p99, ms": _share(latencies, 0.99),
        "S5 left at the end, jobs": left,
    }


async def large_backlog(
    bench: Bench, installation: Installation, size: Size, *, is_held: bool = False
) -> Figures:
    """Measure a drain while the backlog is large; `is_held`: another session has a snapshot from before it."""
    database = await bench.database(installation, size.backlog)
    db, other = await bench.connect(database), await bench.connect(database)
    if is_held:
        await other.execute("begin isolation level repeatable read")
        await other.fetchval("select count(*) from pg_class")
    async with bench.worker(installation, database) as worker:
        first = await worker.first()
        await asyncio.sleep(size.backlog_time - (monotonic_ns() - first) / 1e9)
        seconds = (monotonic_ns() - first) / 1e9
        done = await _done(db, installation, size.backlog)
    await db.close()
    await other.close()
    name = "S6 the same under a held snapshot, jobs/s" if is_held else "S7 backlog of 1,000,000, jobs/s"
    return {name: done / seconds}


async def held_snapshot(bench: Bench, installation: Installation, size: Size) -> Figures:
    return await large_backlog(bench, installation, size, is_held=True)


async def idle_cost(bench: Bench, installation: Installation, size: Size) -> Figures:
    database = await bench.database(installation)
    async with bench.worker(installation, database) as worker:
        await _warm(bench, installation, database, worker, size)
        await asyncio.sleep(size.idle_before)
        statements, own, began = (
            await _transactions(bench, database),
            cpu_seconds(worker.process.pid),
            monotonic_ns(),
        )
        await asyncio.sleep(size.idle_time)
        seconds = (monotonic_ns() - began) / 1e9
        return {
            "S8 idle, transactions/s": (await _transactions(bench, database) - statements) / seconds,
            "S8 idle, CPU %": (cpu_seconds(worker.process.pid) - own) / seconds * 100,
            "S10 idle, MiB": peak_mebibytes(worker.process.pid),
        }


async def scheduled_starts(bench: Bench, installation: Installation, size: Size) -> Figures:
    database = await bench.database(installation)
    async with bench.worker(installation, database) as worker:
        await _warm(bench, installation, database, worker, size)
        await asyncio.to_thread(
            installation.call, bench.host, database, "schedule", size.scheduled, size.scheduled_time
        )
        due_in = 2 + size.scheduled_time  # the first is due 2 s from the command on
        latencies = await _latencies(bench, installation, database, worker, size.scheduled + 1, due_in)
    if not latencies:  # none has begun by then
        return {}
    return {
        "S9 lateness of 1,000 scheduled jobs, median, ms": _share(latencies, 0.5),
        "S9 lateness of 1,000 scheduled jobs, p99, ms": _share(latencies, 0.99),
    }


SCENARIOS: dict[str, Scenario] = {
    "S1": bulk_insert, "S2": single_inserts, "S3": drain, "S4": idle_latency, "S5": steady_load, "S6": held_snapshot,
    "S7": large_backlog, "S8": idle_cost, "S9": scheduled_starts,
    "triggers": inserts_beside_a_drain, "ceiling": statements_alone,
}  # fmt: skip
OURS_ALONE = ("triggers", "ceiling")
ONCE = ("S6", "S7", "S8", "S9")  # for peers, however many runs there are: each takes half a minute


async def _warm(bench: Bench, installation: Installation, database: str, worker: Worker, size: Size) -> None:
    """Have the worker run a job, and wait until it sleeps."""
    await asyncio.to_thread(installation.call, bench.host, database, "single", 1, 1)
    await worker.first()
    await asyncio.sleep(size.warm_up)


async def _latencies(
    bench: Bench, installation: Installation, database: str, worker: Worker, total: int, due_in: float = 0.0
) -> list[float]:
    """Return the latencies of all jobs that are done PATIENCE seconds after the last is due; this ends the worker."""
    db = await bench.connect(database)
    deadline = monotonic() + due_in + PATIENCE
    while await _done(db, installation, total) < total and monotonic() < deadline:
        await asyncio.sleep(0.1)
    await db.close()
    return await worker.latencies()


async def _done(db: Any, installation: Installation, total: int) -> int:
    count = int(await db.fetchval(installation.contender.done))
    return total - count if installation.contender.counts_left else count


async def _drained(db: Any, installation: Installation, size: Size, first: int) -> tuple[int, float]:
    """Return how many jobs were done, and in how many seconds from the first start on."""
    while True:
        now = monotonic_ns()
        done = await _done(db, installation, size.drain)
        seconds = (now - first) / 1e9
        if done >= size.drain or seconds > size.longest_drain:
            return done, seconds
        await asyncio.sleep(0.02)


async def _transactions(bench: Bench, database: str) -> int:
    db = await bench.connect()
    await db.execute("select pg_stat_clear_snapshot()")
    query = "select xact_commit + xact_rollback from pg_stat_database where datname = $1"
    count = int(await db.fetchval(query, database))
    await db.close()
    return count


def _share(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, round(share * (len(values) - 1)))]
