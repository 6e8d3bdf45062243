"""Measure what the history costs, and how long a look back takes: `python -m tests.benchmarks.history`.

The table gets the minutes of three days, of 20 busy actions on two daemons, and the queue has 100,000 ready jobs of them;
on an embedded server with durable settings. Then the statements of a daemon and the looks of `asyncjobd history` are
timed.

`--check` does the same with few rows, to show that the benchmark still works.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter, time
from typing import Any

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.engine.upkeep.history_writer import Batch
from asyncjobd.monitoring.history import History, read_history
from asyncjobd.monitoring.run import run_on
from asyncjobd.observability.metrics.counters import DaemonMetrics
from asyncjobd.observability.metrics.histogram import Histogram
from asyncjobd.postgres.database import Database, Use
from tests.benchmarks.own_server import own_server, parser_of
from tests.support.history import ADD_HOURS

ACTIONS = 20
FILL = """
    insert into asyncjob.rollup (minutes, began_at, job_name, daemon_id, completed, failed, waited, ran, ready, queued,
                                 held, oldest_ready)
    select 1, date_trunc('minute', now()) - minute * interval '1 minute', 'action ' || action, daemon,
           case when daemon > 0 then 600 else 0 end, 0,
           case when daemon > 0 then $3::numeric else 0 end, case when daemon > 0 then $4::numeric else 0 end,
           case when daemon = 0 then 10 end, case when daemon = 0 then 0 end, case when daemon = 0 then 0 end,
           case when daemon = 0 then 1.5 end
      from generate_series(1, $1::integer) as minute, generate_series(1, $2::integer) as action,
           generate_series(0, 2) as daemon
"""
QUEUE = "insert into asyncjob.job (job_name) select 'action ' || n % $2 + 1 from generate_series(1, $1::integer) as n"


@dataclass(frozen=True)
class Size:
    minutes: int = 3 * 24 * 60
    jobs: int = 100_000
    runs: int = 9  # of each statement; the median counts


FULL = Size()
CHECK = Size(minutes=120, jobs=1000, runs=1)


async def timed(runs: int, call: Callable[[], Awaitable[Any]]) -> float:
    """Return the median of so many calls, in milliseconds."""
    times = []
    for _ in range(runs):
        began = perf_counter()
        await call()
        times.append(perf_counter() - began)
    return 1000 * median(times)


def batch() -> Batch:
    """Return a minute of all actions."""
    metrics = DaemonMetrics()
    for action in range(ACTIONS):
        lines = [
            {"job_name": f"action {action}", "waited": n * 1e-5, "duration": n * 1e-3} for n in range(100)
        ]
        metrics.count_each("completed", lines)
    return Batch(time() // 60 * 60, metrics.actions, metrics.actions)


async def fill(db: Any, minutes: int) -> None:
    """Write so many minutes of the history."""
    waited, ran = ([0] * first + [20, 300, 200, 50, 30] for first in (9, 14))
    await db.execute(FILL, minutes, ACTIONS, Histogram(waited).number, Histogram(ran).number, timeout=600)
    await db.execute(ADD_HOURS)
    await db.execute("vacuum analyze asyncjob.rollup")


async def measure(db: Any, dsn: str, size: Size) -> dict[str, float]:
    database = Database(DatabaseConfig(dsn=dsn))
    engine = await database.connect("benchmark", Use.ENGINE)
    figures = {}
    ended = batch()
    others = iter(range(10, 1_000_000))
    run = run_on(engine, database)

    def looks_back(span: timedelta) -> Callable[[], Awaitable[None]]:
        async def look() -> None:
            now = datetime.now(UTC)
            found: History = await read_history(run, now - span, now)
            found.steps()
            for name in found.names:
                found.figures(name)

        return look

    await fill(db, size.minutes)
    figures["a row by minute, with its index, bytes"] = await db.fetchval(
        "select pg_total_relation_size('asyncjob.rollup')::float8 / count(*) from asyncjob.rollup"
    )
    spans = {
        "1 h": timedelta(hours=1),
        "6 h": timedelta(hours=6),
        "23 h": timedelta(hours=23),
        "3 d": timedelta(days=3),
    }
    for label, span in spans.items():
        figures[f"a look back of {label}, ms"] = await timed(size.runs, looks_back(span))
    figures["to write a minute of a daemon, ms"] = await timed(
        size.runs,
        lambda: run("upkeep/write_history", minute=ended.minute, daemon_id=next(others), figures=ended.as_json),
    )  # fmt: skip
    await db.execute(QUEUE, size.jobs, ACTIONS)
    figures[f"to write how a queue of {size.jobs:,} jobs stands, ms"] = await timed(
        size.runs, lambda: run("upkeep/write_queue_history", minute=ended.minute + 60 * next(others))
    )
    figures["the same, after another daemon, ms"] = await timed(
        size.runs, lambda: run("upkeep/write_queue_history", minute=ended.minute - 120)
    )
    await engine.close()
    return figures


async def main(size: Size, postgres: str) -> None:
    async with own_server(postgres) as server:
        figures = await measure(server.db, server.embedded.dsn, size)
    print("| | figure |\n|---|---|")
    for label, figure in figures.items():
        print(f"| {label} | {figure:,.2f} |")


if __name__ == "__main__":
    arguments = parser_of(__doc__).parse_args()
    asyncio.run(main(CHECK if arguments.check else FULL, arguments.postgres))
