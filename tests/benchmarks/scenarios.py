"""What is measured of each contender. A scenario answers its figures by their names."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic_ns
from typing import Any

from tests.benchmarks.bench import Bench
from tests.benchmarks.contenders import Installation
from tests.benchmarks.processes import cpu_seconds, peak_mebibytes

DaemonMetrics = dict[str, float]
Scenario = Callable[[Bench, Installation], Awaitable[DaemonMetrics]]

DRAIN = 50_000
BACKLOG = 1_000_000
LONGEST_DRAIN = 15.0  # seconds; then what is done by then counts
WARM_UP = 1.5  # seconds for a worker that has run its first job to fall asleep


async def bulk_insert(bench: Bench, contender: Installation) -> DaemonMetrics:
    database = await bench.database(contender)
    made = await asyncio.to_thread(contender.call, bench.host, database, "bulk", DRAIN)
    return {"S1 bulk insert, jobs/s": made["rate"]}


async def single_inserts(bench: Bench, contender: Installation) -> DaemonMetrics:
    figures = {}
    for clients in (1, 32):
        database = await bench.database(contender)
        async with bench.worker(contender, database) as worker:
            await _warm(bench, contender, database, worker)
            made = await asyncio.to_thread(contender.call, bench.host, database, "single", 3000, clients)
        figures[f"S2 single inserts, {clients} client{'s'[: clients > 1]}, jobs/s"] = made["rate"]
    return figures


async def inserts_beside_a_drain(bench: Bench, contender: Installation) -> DaemonMetrics:
    figures = {}
    for triggers in ("", ", without triggers"):
        database = await bench.database(contender, BACKLOG)
        async with bench.worker(contender, database) as worker:
            await worker.first()
            if triggers:  # of a daemon that runs: none starts on a schema like that
                db = await bench.connect(database)
                await db.execute("alter table asyncjob.job disable trigger user")
                await db.close()
            made = await asyncio.to_thread(contender.call, bench.host, database, "single", 10_000, 32)
        figures[f"S2 the same beside a drain, 32 clients{triggers}, jobs/s"] = made["rate"]
    return figures


async def statements_alone(bench: Bench, contender: Installation) -> DaemonMetrics:
    """What is left of S3 without a daemon: its statements, 500 rows each, claiming and recording at the same time."""
    database = await bench.database(contender, DRAIN)
    made = await asyncio.to_thread(contender.call, bench.host, database, "statements", 500)
    return {"S3 the statements alone, jobs/s": made["rate"]}


async def drain(bench: Bench, contender: Installation) -> DaemonMetrics:
    database = await bench.database(contender, DRAIN)
    db = await bench.connect(database)
    server = bench.cpu_seconds()
    async with bench.worker(contender, database, jobs=DRAIN) as worker:
        first = await worker.first()
        own = cpu_seconds(worker.process.pid)
        await worker.last(LONGEST_DRAIN)  # counting what is done would slow it
        done, seconds = await _drained(db, contender, DRAIN, first)
        figures = {
            "S3 drain of 50,000, jobs/s": done / seconds,
            "S3 worker, CPU us/job": (cpu_seconds(worker.process.pid) - own) / done * 1e6,
            "S3 PostgreSQL, CPU us/job": (bench.cpu_seconds() - server) / done * 1e6,
            "S10 worker at its peak in S3, MiB": peak_mebibytes(worker.process.pid),
        }
    await db.close()
    return figures


async def idle_latency(bench: Bench, contender: Installation) -> DaemonMetrics:
    database = await bench.database(contender)
    async with bench.worker(contender, database) as worker:
        await _warm(bench, contender, database, worker)
        await asyncio.to_thread(contender.call, bench.host, database, "trickle", 400, 0.02)
        await asyncio.sleep(1)
        latencies = await worker.latencies()
    return {
        "S4 idle latency, median, ms": _share(latencies, 0.5),
        "S4 idle latency, p99, ms": _share(latencies, 0.99),
    }


async def steady_load(bench: Bench, contender: Installation) -> DaemonMetrics:
    database = await bench.database(contender)
    db = await bench.connect(database)
    async with bench.worker(contender, database) as worker:
        await _warm(bench, contender, database, worker)
        made = await asyncio.to_thread(contender.call, bench.host, database, "steady", 1000, 15, 10)
        left = made["sent"] + 2 - await _done(db, contender, int(made["sent"]) + 2)
        await asyncio.sleep(1)
        latencies = await worker.latencies()
    await db.close()
    return {
        "S5 1,000 jobs/s, median, ms": _share(latencies, 0.5),
        "S5 1,000 jobs/s, p99, ms": _share(latencies, 0.99),
        "S5 left at the end, jobs": left,
    }


async def large_backlog(bench: Bench, contender: Installation, *, is_held: bool = False) -> DaemonMetrics:
    """`is_held`: another session holds a snapshot from before the first claim."""
    database = await bench.database(contender, BACKLOG)
    db, other = await bench.connect(database), await bench.connect(database)
    if is_held:
        await other.execute("begin isolation level repeatable read")
        await other.fetchval("select count(*) from pg_class")
    async with bench.worker(contender, database) as worker:
        first = await worker.first()
        await asyncio.sleep(10 - (monotonic_ns() - first) / 1e9)
        seconds = (monotonic_ns() - first) / 1e9
        done = await _done(db, contender, BACKLOG)
    await db.close()
    await other.close()
    name = "S6 the same under a held snapshot, jobs/s" if is_held else "S7 backlog of 1,000,000, jobs/s"
    return {name: done / seconds}


async def held_snapshot(bench: Bench, contender: Installation) -> DaemonMetrics:
    return await large_backlog(bench, contender, is_held=True)


async def idle_cost(bench: Bench, contender: Installation) -> DaemonMetrics:
    database = await bench.database(contender)
    async with bench.worker(contender, database) as worker:
        await _warm(bench, contender, database, worker)
        await asyncio.sleep(12)  # an idle session's figures reach the server's within 10
        statements, own, began = (
            await _transactions(bench, database),
            cpu_seconds(worker.process.pid),
            monotonic_ns(),
        )
        await asyncio.sleep(30)
        seconds = (monotonic_ns() - began) / 1e9
        return {
            "S8 idle, transactions/s": (await _transactions(bench, database) - statements) / seconds,
            "S8 idle, CPU %": (cpu_seconds(worker.process.pid) - own) / seconds * 100,
            "S10 idle, MiB": peak_mebibytes(worker.process.pid),
        }


async def scheduled_starts(bench: Bench, contender: Installation) -> DaemonMetrics:
    database = await bench.database(contender)
    async with bench.worker(contender, database) as worker:
        await _warm(bench, contender, database, worker)
        await asyncio.to_thread(contender.call, bench.host, database, "schedule", 1000, 10)
        await asyncio.sleep(13)
        latencies = await worker.latencies()
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


async def _warm(bench: Bench, contender: Installation, database: str, worker: Any) -> None:
    """It has run a job, and sleeps."""
    await asyncio.to_thread(contender.call, bench.host, database, "single", 1, 1)
    await worker.first()
    await asyncio.sleep(WARM_UP)


async def _done(db: Any, contender: Installation, total: int) -> int:
    count = int(await db.fetchval(contender.contender.done))
    return total - count if contender.contender.counts_left else count


async def _drained(db: Any, contender: Installation, total: int, first: int) -> tuple[int, float]:
    """How many were done, and in how many seconds from the first start on."""
    while True:
        now = monotonic_ns()
        done = await _done(db, contender, total)
        seconds = (now - first) / 1e9
        if done >= total or seconds > LONGEST_DRAIN:
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
