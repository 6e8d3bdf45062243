"""Measure what a log that nobody reads costs: `python -m tests.benchmarks.stalled_log [RUNS]`.

A handler logs 100,000 lines in 10 s beside as many empty jobs as the daemon can do, each with a line of its own; once
into a pipe that is read, once into one that is not, in turn. `--check` does it once, in a second with a few jobs.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import tomli_w

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.embedded import EmbeddedServer
from asyncjobd.postgres.schema.migrate import migrate
from tests.observability.logging_handlers import chatters
from tests.support.actions import action
from tests.support.daemon import ROOT
from tests.support.handlers import succeed
from tests.support.postgres import binaries

BACKLOG = "insert into asyncjob.job (job_name) select 'succeed' from generate_series(1, $1)"
CHATTER = "insert into asyncjob.job (job_name, priority, params) values ('chatters', -1, $1)"
DONE = "select count(*) from asyncjob.job where status = 'Completed' and job_name = 'succeed'"
HAS_CHATTERED = "select status = 'Completed' from asyncjob.job where job_name = 'chatters'"


@dataclass(frozen=True)
class Size:
    jobs: int = 800_000
    lines: int = 100_000
    seconds: int = 10


CHECK = Size(jobs=1000, lines=1000, seconds=1)


async def measure(config: Path, db: Any, size: Size, *, is_read: bool) -> tuple[float, int]:
    """Return the jobs a second while the lines are logged, and the number of lines that were dropped."""
    await db.execute("truncate asyncjob.job cascade")
    await db.execute(BACKLOG, size.jobs)
    await db.execute("vacuum analyze asyncjob.job")
    reader, writer = os.pipe()
    reading = subprocess.Popen(["cat"], stdin=reader, stdout=subprocess.DEVNULL) if is_read else None
    await db.execute(CHATTER, json.dumps({"lines": size.lines, "seconds": size.seconds}))
    command = [
        "setpriv",
        "--pdeathsig=KILL",
        sys.executable,
        "-m",
        "asyncjobd",
        "--config",
        str(config),
        "run",
    ]
    daemon = subprocess.Popen(command, stdout=writer)
    os.close(writer)
    try:
        async with asyncio.timeout(60):
            while not await db.fetchval(HAS_CHATTERED):
                await asyncio.sleep(0.01)
        done = await db.fetchval(DONE)
    finally:
        daemon.terminate()
        if reading is None:
            with os.fdopen(reader) as log:
                lost = sum(json.loads(line)["lines"] for line in log if '"log.lost"' in line)
        else:
            os.close(reader)
            lost = 0
        daemon.wait()
        if reading is not None:
            reading.wait()
    return done / size.seconds, lost


async def main(runs: int, size: Size) -> None:
    with tempfile.TemporaryDirectory(prefix="asyncjobd-") as name:
        server = EmbeddedServer(Path(name) / "pg", binaries("wheel"))
        await server.ensure()
        try:
            await migrate(Database(DatabaseConfig(dsn=server.dsn)))
            config = Path(name, "config.toml")
            actions = {"succeed": action(succeed), "chatters": action(chatters)}
            document = {
                "database": {"dsn": server.dsn},
                "daemon": {"handler_path": [str(ROOT)]},
                "actions": actions,
            }
            config.write_text(tomli_w.dumps(document))
            db = await asyncpg.connect(server.dsn)
            pairs = [
                (
                    await measure(config, db, size, is_read=True),
                    await measure(config, db, size, is_read=False),
                )
                for _ in range(runs)
            ]
            await db.close()
        finally:
            await server.stop()
    print("| log | jobs/s | lines dropped |\n|---|---|---|")
    for number, title in enumerate(("read", "not read")):
        rates, lost = zip(*(pair[number] for pair in pairs), strict=True)
        print(f"| {title} | {statistics.median(rates):,.0f} | {statistics.median(lost):,.0f} |")
    ratios = ", ".join(f"{stalled[0] / read[0]:.2f}" for read, stalled in pairs)
    print(f"\nnot read to read, run by run: {ratios}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=int, nargs="?", default=3)
    parser.add_argument("--check", action="store_true", help="one short run")
    arguments = parser.parse_args()
    asyncio.run(main(1, CHECK) if arguments.check else main(arguments.runs, Size()))
