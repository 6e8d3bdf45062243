"""Measure a daemon's memory under large jobs: `python -m tests.faults.memory_soak --minutes 10`.

It gets large params, large results, failures that hold 20 MB, long timeouts and unknown names, without a pause. The
exit code is 1 if it ever took more than MOST, or ended.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.embedded import EmbeddedServer
from asyncjobd.postgres.schema.migrate import migrate
from tests.faults import memory_handlers
from tests.support.actions import COMMON, actions_of
from tests.support.daemon import DaemonProcess, write_config
from tests.support.postgres import binaries

MOST = 250.0  # MiB
BACKLOG = 200  # jobs that wait, at the least

LARGE_PARAMS = """
insert into asyncjob.job (job_name, params)
select 'sleeps', jsonb_build_object('seconds', 0.1, 'text', repeat('x', $1)) from generate_series(1, 5)"""
LARGE_RESULTS = """
insert into asyncjob.job (job_name, params)
select 'fills', jsonb_build_object('characters', $1::int / 10) from generate_series(1, 50)"""
FAILURES = """
insert into asyncjob.job (job_name, max_execution_count) select 'fails_with_much', 1 from generate_series(1, $1 / 200000)"""
TIMEOUTS = """
insert into asyncjob.job (job_name, timeout) select 'sleeps', interval '1 day' from generate_series(1, $1 / 10000)"""
UNKNOWN = """
insert into asyncjob.job (job_name) select 'unheard_of_' || random() from generate_series(1, $1 / 200000)"""
KINDS = (LARGE_PARAMS, LARGE_RESULTS, FAILURES, TIMEOUTS, UNKNOWN)
LEFT = "select count(*) from asyncjob.job where status = 'In Progress'"
DONE = "select job_name, status::text, count(*) from asyncjob.job where job_name !~ 'unheard' group by 1, 2 order by 1, 2"


async def soak(db: Any, daemon: DaemonProcess, minutes: float, seed: int) -> None:
    """Insert whenever few jobs are left, and watch the daemon's memory."""
    chance = random.Random(seed)
    began, told = monotonic(), 0.0
    while (elapsed := monotonic() - began) < 60 * minutes:
        assert daemon.process.poll() is None, daemon.log.read_text()[-3000:]
        if await db.fetchval(LEFT) < BACKLOG:
            for kind in KINDS:
                await db.execute(kind, chance.randrange(1_000_000, 20_000_000))
        if elapsed >= told + 10:
            told = elapsed
            print(f"{elapsed:5.0f} s: at most {daemon.peak:.0f} MiB", flush=True)
        await asyncio.sleep(0.1)


async def measure(folder: Path, postgres: str, minutes: float, seed: int) -> float:
    server = EmbeddedServer(folder / "data", binaries(postgres))
    await server.ensure()
    try:
        await migrate(Database(DatabaseConfig(dsn=server.dsn)))
        config = write_config(
            folder, server.dsn, COMMON | actions_of(memory_handlers), lease="15 s", unknown_name_grace="1 s",
            retention={"completed": "1 min", "failed": "1 min"}, logging={"level": "error"},
        )  # fmt: skip
        daemon = DaemonProcess(config)
        db = await asyncpg.connect(server.dsn)
        await soak(db, daemon, minutes, seed)
        for row in await db.fetch(DONE):
            print(*row)
        await db.close()
        peak = daemon.peak
        assert daemon.stop() == 0
    finally:
        DaemonProcess.kill_all()
        await server.stop()
    return peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgres", default="wheel", help="wheel, system, or a folder of binaries")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="asyncjobd-memory-") as folder:
        peak = asyncio.run(measure(Path(folder), arguments.postgres, arguments.minutes, arguments.seed))
    print(f"the daemon took at most {peak:.0f} MiB; {MOST:.0f} are allowed")
    sys.exit(peak > MOST)


if __name__ == "__main__":
    main()
