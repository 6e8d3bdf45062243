"""Measure what limits cost where they are not reached: `python -m tests.benchmarks.limits [ROUNDS]`.

A daemon drains an action without limits and with each kind of them, in turn, on an embedded server with durable settings.
Then one claim after the other is made by hand. Last, a key with many jobs is drained while another key gets a single
one. Prints medians, and of the rates and of the server's CPU time the medians of their ratios to the action without limits.

`--check` does the same once with a few jobs, to show that the benchmark still works.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path
from time import perf_counter
from typing import Any

import asyncpg

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database, Use
from asyncjobd.postgres.embedded import EmbeddedServer
from asyncjobd.postgres.schema.migrate import migrate
from tests.benchmarks import statements
from tests.benchmarks.bench import SETTINGS
from tests.benchmarks.processes import cpu_seconds_of_family
from tests.support.actions import action
from tests.support.daemon import DaemonProcess, write_config
from tests.support.handlers import succeed
from tests.support.postgres import binaries

KEYS = 100
CLAIMED = 1000  # rows in a claim by hand
START = (-32768, 0)
LIMITS = {  # what is set of asyncjob.action
    "no limit": "max_running = null",
    "max_running": "max_running = 100000",
    "rate": "rate = '1000000 per second'",
    "max_running_per_key": "max_running_per_key = 100000",
    "rate_per_key": "rate_per_key = '1000000 per second'",
}
RESET = "max_running = null, max_running_per_key = null, rate = null, rate_per_key = null"
INSERT = """
    insert into asyncjob.job (job_name, limit_key)
    select 'succeed', 'key ' || n % $2::integer from generate_series(1, $1::integer) as n
"""
RATE = "select count(*) / extract(epoch from max(finished_at) - min(started_at))::float8 from asyncjob.job"
ONE_BESIDE_MANY = """
    select extract(epoch from job.started_at - job.created_at)::float8 from asyncjob.job where limit_key = 'single'
"""


async def prepare(db: Any, limits: str, jobs: int, keys: int) -> None:
    """Leave so many ready jobs of an action with these limits."""
    await db.execute("truncate asyncjob.job restart identity cascade; truncate asyncjob.bucket")
    await db.execute(
        "insert into asyncjob.action (name, handler, is_active) values ('succeed', '', true) on conflict do nothing"
    )
    await db.execute(f"update asyncjob.action set {RESET}")
    await db.execute(f"update asyncjob.action set {limits}")
    await db.execute(INSERT, jobs, keys)
    await db.execute("vacuum analyze asyncjob.job")
    await db.execute("checkpoint")


def start_daemon(folder: Path, dsn: str) -> DaemonProcess:
    actions = {"succeed": action(succeed)}
    return DaemonProcess(write_config(folder, dsn, actions, lease="30 s", logging={"level": "info"}))


async def drain(db: Any, dsn: str, folder: Path, jobs: int) -> float:
    """Return the jobs that a daemon runs a second."""
    daemon = start_daemon(folder, dsn)
    try:
        while await db.fetchval("select exists (select from asyncjob.job where status <> 'Completed')"):
            await asyncio.sleep(0.5)  # a shorter pause would slow the daemon
    finally:
        await asyncio.to_thread(daemon.stop)
    return float(await db.fetchval(RATE))


async def claim(database: Database, name: str, rounds: int) -> float:
    """Return the milliseconds of a claim of many rows, recorded between the claims."""
    connection = await database.connect("benchmark", Use.ENGINE)
    times = []
    key, place = "", START
    for token in range(1, rounds + 1):
        is_limited = name != "no limit"
        query = statements.claim(database, "succeed", token, CLAIMED, place, key if is_limited else None)
        began = perf_counter()
        rows = await connection.fetch(*query)
        times.append(perf_counter() - began)
        key = rows[0]["last_key"] or ""
        if not is_limited:
            place = max((row["priority"], row["id"]) for row in rows)
        await connection.fetch(*statements.record(database, token, [row["id"] for row in rows]))
    connection.terminate()
    return 1000 * statistics.median(times)


async def start_of_one_beside_many(db: Any, dsn: str, folder: Path, jobs: int) -> float:
    """Return the seconds from the INSERT of a key's only job to its start, beside a key with so many."""
    await prepare(db, "max_running_per_key = 50", jobs, keys=1)
    daemon = start_daemon(folder, dsn)
    try:
        while not await db.fetchval("select exists (select from asyncjob.job where status = 'Completed')"):
            await asyncio.sleep(0.05)
        await db.execute("insert into asyncjob.job (job_name, limit_key) values ('succeed', 'single')")
        while (waited := await db.fetchval(ONE_BESIDE_MANY)) is None:
            await asyncio.sleep(0.05)
    finally:
        await asyncio.to_thread(daemon.stop)
    return float(waited)


async def measure(
    database: Database, dsn: str, server: int, folder: Path, rounds: int, jobs: int, many: int
) -> None:
    db = await asyncpg.connect(dsn)
    rates: dict[str, list[float]] = defaultdict(list)
    costs: dict[str, list[float]] = defaultdict(list)  # seconds
    claims: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds):
        for name in list(LIMITS)[:: 1 if number % 2 == 0 else -1]:
            await prepare(db, LIMITS[name], jobs, KEYS)
            spent = cpu_seconds_of_family(server)
            rates[name].append(await drain(db, dsn, folder, jobs))
            costs[name].append(cpu_seconds_of_family(server) - spent)
            await prepare(db, LIMITS[name], jobs, KEYS)
            claims[name].append(await claim(database, name, max(1, jobs // CLAIMED - 1)))
    waited = await start_of_one_beside_many(db, dsn, folder, many)
    await db.close()
    print(f"| | jobs/s | ratio | ratio of CPU time | a claim of {CLAIMED:,}, ms |\n|---|---|---|---|---|")
    for name in LIMITS:
        rate, cost = (
            statistics.median(one / none for one, none in zip(of[name], of["no limit"], strict=True))
            for of in (rates, costs)
        )
        print(
            f"| {name} | {statistics.median(rates[name]):,.0f} | {rate:.2f} | {cost:.2f} |"
            f" {statistics.median(claims[name]):.1f} |"
        )
    print(
        f"\nThe only job of a key starts {1000 * waited:,.0f} ms after its INSERT beside a key with {many:,}."
    )


async def main(rounds: int, jobs: int, many: int, postgres: str) -> None:
    with tempfile.TemporaryDirectory(prefix="asyncjobd-") as name:
        server = EmbeddedServer(Path(name) / "pg", binaries(postgres), SETTINGS)
        await server.ensure()
        try:
            database = Database(DatabaseConfig(dsn=server.dsn))
            await migrate(database)
            pid = int((server.data / "postmaster.pid").read_text().split()[0])
            await measure(database, server.dsn, pid, Path(name), rounds, jobs, many)
        finally:
            await server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", type=int, nargs="?", default=5)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--postgres", default="wheel")
    arguments = parser.parse_args()
    rounds, jobs, many = (1, 3_000, 3_000) if arguments.check else (arguments.rounds, 50_000, 1_000_000)
    asyncio.run(main(rounds, jobs, many, arguments.postgres))
