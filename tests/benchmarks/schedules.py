"""Measure how late the jobs of schedules start, and what schedules cost that do not come: `python -m tests.benchmarks.schedules`.

A daemon runs the jobs of many schedules, whose times are spread evenly over each ten seconds, on an embedded server with
durable settings; then a client inserts as many jobs a second, one by one, and then nothing comes. Lateness is from the
time of the calendar, or from the beginning of the INSERT, to the start of the handler. PostgreSQL has transactions of its
own, such as those of autovacuum: they are counted without a daemon first.

`--check` does the same for a short time, to show that the benchmark still works.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic, time
from typing import Any

from asyncjobd import Context, JobResult
from tests.benchmarks.own_server import own_server, parser_of
from tests.support.daemon import DaemonProcess, write_config

PERIOD = 10  # seconds between two times of a schedule
INSERT = """
    insert into asyncjob.schedule (name, every, anchor, job_name)
    select 's' || n, $2 * interval '1 second', date_trunc('second', now()) + n * $2 * interval '1 second' / $1, 'tell_time'
      from generate_series(1, $1) as n
"""
LATENESS = """
    select coalesce(percentile_disc($1::float8[]) within group (order by 1000 * (
               (result #>> '{}')::float8 - extract(epoch from coalesce(schedule_time, created_at))::float8)), '{0,0,0}')
           as ms, count(*) as jobs
      from asyncjob.job where status = 'Completed' and created_at > $2
"""
SHARES = [0.5, 0.99, 1.0]
TRANSACTIONS = "select xact_commit from pg_stat_database where datname = current_database()"


@dataclass(frozen=True)
class Size:
    schedules: int = 1000
    warm_up: float = 12.0  # seconds; the times of all schedules have come once
    lasts: float = 60.0
    idle_before: float = 15.0  # the counts of an idle session reach the server's within 10
    idle: float = 60.0


FULL = Size()
CHECK = Size(schedules=50, warm_up=1.0, lasts=12.0, idle_before=0.1, idle=1.0)


async def tell_time(params: Any, context: Context) -> JobResult:
    return JobResult.success(result=time())


async def idle_rate(db: Any, size: Size) -> float:
    """Return the transactions a second while nothing comes."""
    await asyncio.sleep(size.idle_before)
    before = await db.fetchval(TRANSACTIONS)
    await asyncio.sleep(size.idle)
    return float(await db.fetchval(TRANSACTIONS) - before - 1) / size.idle


async def insert_singly(db: Any, size: Size) -> datetime:
    """Insert as many jobs a second as schedules make, and return when that began."""
    began: datetime = await db.fetchval("select now()")
    pause = PERIOD / size.schedules
    next_at = monotonic()
    for _ in range(int(size.lasts / pause)):
        next_at += pause
        await asyncio.sleep(max(0.0, next_at - monotonic()))
        await db.execute("insert into asyncjob.job (job_name) values ('tell_time')")
    return began


async def measure(db: Any, dsn: str, folder: Path, size: Size) -> None:
    alone = await idle_rate(db, size)
    actions = {"tell_time": {"handler": "tests.benchmarks.schedules:tell_time"}}  # not __main__
    daemon = DaemonProcess(write_config(folder, dsn, actions, lease="15 s", logging={"level": "info"}))
    await asyncio.to_thread(daemon.ready)
    without = await idle_rate(db, size)
    await db.execute(INSERT, size.schedules, PERIOD)
    await asyncio.sleep(size.warm_up)
    began = await db.fetchval("select now()")
    await asyncio.sleep(size.lasts)
    of_schedules = await db.fetchrow(LATENESS, SHARES, began)
    await db.execute("update asyncjob.schedule set every = null, cron = '0 0 1 1 *'")
    of_inserts = await db.fetchrow(LATENESS, SHARES, await insert_singly(db, size))
    idle = await idle_rate(db, size)
    print("| | figure |\n|---|---|")
    for what, row in ((f"of {size.schedules:,} schedules", of_schedules), ("inserted singly", of_inserts)):
        for share, ms in zip(("median", "p99", "longest"), row["ms"], strict=True):
            print(f"| lateness of {row['jobs']:,} jobs {what}, {share}, ms | {ms:.2f} |")
    print(f"| idle, without a daemon, transactions/s | {alone:.2f} |")
    print(f"| idle, without schedules, transactions/s | {without:.2f} |")
    print(f"| idle, with {size.schedules:,} schedules, transactions/s | {idle:.2f} |")


async def main(size: Size, postgres: str) -> None:
    async with own_server(postgres) as server:
        await measure(server.db, server.embedded.dsn, server.folder, size)


if __name__ == "__main__":
    arguments = parser_of(__doc__).parse_args()
    asyncio.run(main(CHECK if arguments.check else FULL, arguments.postgres))
