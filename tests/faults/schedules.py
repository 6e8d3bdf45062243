"""Look for times without a job, or with two: `python -m tests.faults.schedules --firings 10000 --daemons 3`.

Schedules come every second, at moments of their own, while daemons are killed, frozen and cut off from the database at
random, and clients set schedules back to earlier times. At the end each time has exactly one job, and no job of a
schedule whose jobs queue or are skipped has run beside another.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg

from tests.faults.fleet import migrated_server, start_daemons, strike
from tests.support.actions import action
from tests.support.daemon import DaemonProcess
from tests.support.handlers import sleeps

SCHEDULES = 200
QUEUES = (
    20  # of them, whose jobs run one after the other: half queue, half are skipped; the others' may overlap
)
LEASE = 2  # seconds
CUTS = (
    0.3,
    1.5,
)  # seconds from one session of a scheduler that is ended, and one schedule that is set back, to the next
PATIENCE = 60.0  # seconds that the last jobs get

INSERT = """
    insert into asyncjob.schedule (name, every, anchor, job_name, params, catch_up, overlap)
    select 's' || n, interval '1 second', date_trunc('second', now()) + n * interval '1 second' / $1, 'sleeps',
           jsonb_build_object('seconds', case when n <= $2 then 1.2 else random() * 0.02 end),
           'all', case when n > $2 then 'allow' when n % 2 = 0 then 'queue' else 'skip' end
      from generate_series(1, $1) as n
"""
CUT = """
    select pg_terminate_backend(pid) from pg_stat_activity
     where application_name = 'asyncjobd scheduler' order by random() limit 1
"""
SET_BACK = """
    update asyncjob.schedule set next_at = next_at - 3 * every
     where name = 's' || $1 and next_at - 3 * every >= anchor + interval '1 second'
"""
JOBS = """
    select substring(once_key from '^schedule (s[0-9]+) ') as name, schedule_time, status, started_at, finished_at
      from asyncjob.job where once_key is not null order by schedule_time
"""


@dataclass
class Firings:
    """The result."""

    jobs: int = 0
    schedules: int = 0
    kills: int = 0
    freezes: int = 0
    cuts: int = 0
    set_back: int = 0
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.jobs} jobs of {self.schedules} schedules; {self.kills} daemons killed, {self.freezes} frozen,"
            f" {self.cuts} sessions ended, {self.set_back} schedules set back; {len(self.violations)} violations"
        )


async def cut(db: Any, result: Firings, chance: random.Random) -> None:
    """End the session of one scheduler after the other, and set a schedule back each time."""
    while True:
        await asyncio.sleep(chance.uniform(*CUTS))
        result.cuts += await db.fetchval(CUT) is True
        changed = await db.execute(SET_BACK, str(chance.randint(1, SCHEDULES)))
        result.set_back += int(changed.removeprefix("UPDATE "))


def check(rows: list[Any], result: Firings) -> None:
    """Compare the jobs with the times of their schedules."""
    for name in {row["name"] for row in rows}:
        jobs = [row for row in rows if row["name"] == name]
        times = [job["schedule_time"] for job in jobs]
        for one, other in pairwise(times):
            seconds = (other - one).total_seconds()
            if seconds == 0 or (seconds != 1 and int(name[1:]) > QUEUES):
                result.violations.append(f"{name}: a job at {one}, the next one at {other}")
        result.violations += [f"{name}: {dict(job)}" for job in jobs if job["status"] != "Completed"]
        ended = [job for job in jobs if job["status"] == "Completed"]
        ended.sort(key=lambda job: job["started_at"])  # a schedule that was set back makes older jobs, too
        for job, following in pairwise(ended):
            if int(name[1:]) <= QUEUES and following["started_at"] < job["finished_at"]:
                result.violations.append(f"{name}: {dict(job)} and {dict(following)} at a time")


async def stress(dsn: str, daemons: list[DaemonProcess], firings: int, seed: int) -> Firings:
    """Let schedules make so many jobs while faults strike, and check these."""
    result = Firings()
    db, cutter = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    await asyncio.gather(*(asyncio.to_thread(daemon.ready) for daemon in daemons))
    await db.execute(INSERT, SCHEDULES, QUEUES)
    others = [
        asyncio.create_task(cut(cutter, result, random.Random(seed))),
        asyncio.create_task(strike(daemons, result, random.Random(seed))),
    ]
    deadline = monotonic() + PATIENCE + firings / SCHEDULES
    while await db.fetchval("select count(*) from asyncjob.job") < firings and monotonic() < deadline:
        await asyncio.sleep(0.2)
        for task in others:
            if task.done():
                task.result()
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await db.execute("delete from asyncjob.schedule")
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline and await db.fetchval(
        "select exists (select from asyncjob.job where status <> 'Completed')"
    ):
        await asyncio.sleep(0.1)
    rows = await db.fetch(JOBS)
    check(rows, result)
    result.jobs, result.schedules = len(rows), len({row["name"] for row in rows})
    if result.jobs < firings:
        result.violations.append(f"{result.jobs} of {firings} jobs were made")
    await cutter.close()
    await db.close()
    return result


def start(folder: Path, dsn: str, count: int) -> list[DaemonProcess]:
    return start_daemons(folder, dsn, count, {"sleeps": action(sleeps)}, lease=f"{LEASE} s")


async def run(firings: int, daemons: int, seed: int, postgres: str, folder: Path) -> Firings:
    async with migrated_server(folder, postgres) as dsn:
        return await stress(dsn, start(folder, dsn, daemons), firings, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--firings", type=int, default=10_000)
    parser.add_argument("--daemons", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgres", default="wheel")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="asyncjobd-schedules-"))
    firings = asyncio.run(
        run(arguments.firings, arguments.daemons, arguments.seed, arguments.postgres, folder)
    )
    print(f"{firings}, with {arguments.daemons} daemon(s)", *firings.violations[:20], sep="\n")
    sys.exit(bool(firings.violations))


if __name__ == "__main__":
    main()
