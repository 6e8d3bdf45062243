"""Measure how jobs that fail together come back: `python -m tests.benchmarks.outage [JOBS]`.

All of them fail at once, and are tried once more, without a jitter and with one. Prints how many of the second tries
began in the busiest tenth of a second, how evenly they were due over the time that the jitter spreads them, and how late
they began. Fails if one was due at another time than the formula says, or began before.

`--check` does the same with a few jobs, to show that the benchmark still works.
"""

import asyncio
import statistics
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg

from tests.benchmarks.own_server import own_server, parser_of
from tests.engine.jobs.retries_handlers import fails_at
from tests.support.actions import action
from tests.support.daemon import DaemonProcess, write_config
from tests.support.retries import LONGEST, retry_delay

JOBS = 10_000
FEW = 200  # with --check
INTERVAL = timedelta(seconds=10)  # all have failed before the first is tried again
BRIEF = timedelta(seconds=1)  # with --check
JITTER = 0.5
PARTS = 10
TENTH = 0.1  # seconds
MICROSECOND = timedelta(microseconds=1)
# For each job the end of its first try, and when the second was due and began, also by the clock of its handler:
# started_at is the time at which the claim began, which may see rows that have become due since.
RETRIED = """
    select job.id, first.finished_at as failed_at, job.due_at, job.started_at,
           to_timestamp(job.message::float8) as began_at
      from asyncjob.job join asyncjob.execution as first on first.job_id = job.id and first.number = 1
     where job.status = 'Failed' order by job.id
"""


async def run(
    db: Any, dsn: str, folder: Path, jobs: int, interval: timedelta, jitter: float
) -> list[asyncpg.Record]:
    """Let jobs fail twice, and return the rows of RETRIED."""
    await db.execute("truncate asyncjob.job restart identity cascade")
    failing = action(
        fails_at, max_execution_count=2, retry_interval=f"{interval.seconds} s", retry_jitter=jitter
    )
    config = write_config(folder, dsn, {"fails": failing}, lease="30 s", logging={"level": "warning"})
    await db.execute("insert into asyncjob.job (job_name) select 'fails' from generate_series(1, $1)", jobs)
    daemon = DaemonProcess(config)
    try:
        rows: list[asyncpg.Record] = []
        while len(rows := await db.fetch(RETRIED)) < jobs:
            await asyncio.sleep(0.5)  # a shorter pause would slow the daemon
    finally:
        await asyncio.to_thread(daemon.stop)
    return rows


def check(rows: Sequence[asyncpg.Record], interval: timedelta, jitter: float) -> None:
    for row in rows:
        due_after = row["due_at"] - row["failed_at"]
        expected = retry_delay(interval, 1, LONGEST, jitter, row["id"], 1)
        assert abs(due_after - expected) <= MICROSECOND, dict(row)
        assert interval * (1 - jitter) <= due_after <= interval, dict(row)
        assert row["began_at"] >= row["due_at"], dict(row)


def busiest(rows: Sequence[asyncpg.Record]) -> int:
    return max(Counter(int(row["started_at"].timestamp() / TENTH) for row in rows).values())


def parts(rows: Sequence[asyncpg.Record], interval: timedelta, jitter: float) -> str:
    """Return how many were due in the emptiest and in the fullest tenth of the time from the least to the longest."""
    width = interval * jitter / PARTS
    found = Counter(
        min(int((interval - (row["due_at"] - row["failed_at"])) / width), PARTS - 1) for row in rows
    )
    return f"{min(found[part] for part in range(PARTS)):,} to {max(found.values()):,}"


def earliest(rows: Sequence[asyncpg.Record]) -> str:
    return f"{min(row['started_at'] - row['failed_at'] for row in rows).total_seconds():.3f} s"


def lateness(rows: Sequence[asyncpg.Record]) -> str:
    late = [1000 * (row["started_at"] - row["due_at"]).total_seconds() for row in rows]
    return f"{statistics.median(late):.1f} / {statistics.quantiles(late, n=100)[98]:.1f} ms"


async def measure(db: Any, dsn: str, folder: Path, jobs: int, interval: timedelta) -> None:
    plain, spread = [await run(db, dsn, folder, jobs, interval, jitter) for jitter in (0.0, JITTER)]
    check(plain, interval, 0.0)
    check(spread, interval, JITTER)
    print(f"| {jobs:,} jobs that fail at once | without jitter | jitter {JITTER} |\n|---|---|---|")
    print(f"| second tries that began in the busiest 0.1 s | {busiest(plain):,} | {busiest(spread):,} |")
    print(f"| due in each tenth of the last {interval.seconds * JITTER:g} s of {interval.seconds} s | | "
          f"{parts(spread, interval, JITTER)} |")  # fmt: skip
    print(f"| the first one after its failure | {earliest(plain)} | {earliest(spread)} |")
    print(f"| how late they began, p50 / p99 | {lateness(plain)} | {lateness(spread)} |")


async def main(jobs: int, interval: timedelta, postgres: str) -> None:
    async with own_server(postgres) as server:
        await measure(server.db, server.embedded.dsn, server.folder, jobs, interval)


if __name__ == "__main__":
    parser = parser_of(__doc__)
    parser.add_argument("jobs", type=int, nargs="?", default=JOBS)
    arguments = parser.parse_args()
    jobs, interval = (FEW, BRIEF) if arguments.check else (arguments.jobs, INTERVAL)
    asyncio.run(main(jobs, interval, arguments.postgres))
