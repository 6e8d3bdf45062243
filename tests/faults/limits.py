"""Look for limits that are exceeded: `python -m tests.faults.limits --phases 200 --daemons 4`.

Limits and rates of one action are changed again and again while daemons run its jobs, are killed or frozen at random
times, and start anew. A trigger counts at each claim what runs, and a client as often as it can.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg

from tests.faults.fleet import migrated_server, start_daemons, strike
from tests.support.actions import action
from tests.support.daemon import DaemonProcess
from tests.support.handlers import sleeps

PHASE = (0.5, 1.5)  # seconds with the same limits
BACKLOG = 300  # jobs that are ready at a time
KEYS = 6  # of which one is null
LEASE = 2  # seconds
WINDOWS = (0.05, 0.2, 1.0)  # seconds, in which starts are counted
PATIENCE = 60.0  # seconds that the last jobs get
CHOICES: dict[str, list[Any]] = {
    "max_running": [None, None, 1, 3, 10],
    "max_running_per_key": [None, None, 1, 2],
    "rate": [None, None, "40 per second", "6000 per minute"],
    "rate_per_key": [None, None, "20 per second"],
    "burst": [None, 1, 5],
}
LAST = {"max_running": 20, "max_running_per_key": 10, "rate": None, "rate_per_key": None, "burst": None}
SECONDS = {"second": 1, "minute": 60}

WATCH = """
    create table phase (number integer primary key, limits jsonb);
    create table start (phase integer, limit_key text, at timestamptz);
    create table violation (seen text);
    create function note_start() returns trigger language plpgsql as $$
    declare
        limits constant asyncjob.action := (select action from asyncjob.action where name = new.job_name);
        running constant bigint := (select count(*) from asyncjob.job
                                     where job_name = new.job_name and daemon_id is not null);
        of_key constant bigint := (select count(*) from asyncjob.job where job_name = new.job_name
                                      and limit_key = new.limit_key and daemon_id is not null);
    begin
        insert into public.start values ((select max(number) from public.phase), new.limit_key, new.started_at);
        if running > limits.max_running or of_key > limits.max_running_per_key then
            insert into public.violation values (format('job %s: %s run, %s of key %s; limits %s and %s', new.id,
                running, of_key, new.limit_key, limits.max_running, limits.max_running_per_key));
        end if;
        return null;
    end
    $$;
    create trigger note_start after update on asyncjob.job for each row
        when (old.daemon_id is null and new.daemon_id is not null) execute function note_start();
"""
INSERT = """
    insert into asyncjob.job (job_name, params, limit_key, max_execution_count, retry_interval)
    select 'sleeps', jsonb_build_object('seconds', random() * 0.02), 'key ' || nullif(n % $2, 0), 1000, '10 ms'
      from generate_series(1, $1) as n
"""
READY = """
    select count(*) from asyncjob.job
     where job_name = 'sleeps' and status in ('Queued', 'In Progress') and daemon_id is null
"""
RUNNING = """
    with owned as (select limit_key, count(*) as jobs from asyncjob.job
                    where job_name = 'sleeps' and daemon_id is not null group by limit_key)
    select (select max(number) from phase) as phase,
           coalesce((select sum(jobs) from owned), 0) as jobs,
           coalesce((select max(jobs) from owned where limit_key is not null), 0) as of_key,
           action.max_running, action.max_running_per_key
      from asyncjob.action where name = 'sleeps'
"""


@dataclass
class Limits:
    """The result. `reached`: the phases in which as many jobs ran as may."""

    phases: int = 0
    reached: int = 0
    starts: int = 0
    samples: int = 0
    kills: int = 0
    freezes: int = 0
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.starts} starts in {self.phases} phases, in {self.reached} of which a limit of running jobs was"
            f" reached; {self.kills} daemons killed, {self.freezes} frozen; {self.samples} samples;"
            f" {len(self.violations)} violations"
        )


def new_limits(chance: random.Random) -> dict[str, Any]:
    limits = {column: chance.choice(values) for column, values in CHOICES.items()}
    if not any(limits[column] for column in CHOICES if column != "burst"):
        limits["max_running"] = 1000  # a claim without any limit may have begun before the next change
    return limits


async def change_limits(db: Any, number: int, limits: dict[str, Any]) -> None:
    """Begin a phase with other limits, between two claims."""
    assignments = ", ".join(f"{column} = ${place}" for place, column in enumerate(limits, 1))
    async with db.transaction():
        await db.execute(
            "select pg_advisory_xact_lock('asyncjob.bucket'::regclass::integer, hashtext('sleeps'))"
        )
        await db.execute(f"update asyncjob.action set {assignments} where name = 'sleeps'", *limits.values())
        await db.execute(
            "insert into phase select $1, to_jsonb(action) from asyncjob.action where name = 'sleeps'", number
        )


async def sample(statement: Any, result: Limits) -> None:
    """Compare what runs with the limits. After a lower limit it may be more until it was once less."""
    phase, is_settled, is_reached = None, False, False
    while True:
        row = await statement.fetchrow()
        assert row is not None
        if row["phase"] != phase:
            phase, is_settled, is_reached = row["phase"], False, False
        over = [
            row[limit] is not None and row[jobs] > row[limit]
            for jobs, limit in (("jobs", "max_running"), ("of_key", "max_running_per_key"))
        ]
        if is_settled and any(over):
            result.violations.append(f"sampled: {dict(row)}")
        is_settled = is_settled or not any(over)
        if not is_reached and is_settled and row["jobs"] == row["max_running"]:
            is_reached = True
            result.reached += 1
        result.samples += 1
        await asyncio.sleep(0.001)


def most_within(times: list[datetime], seconds: float) -> int:
    """Return the most of these ordered times that lie within any interval of this length."""
    most = first = 0
    for last, time in enumerate(times):
        while (time - times[first]).total_seconds() > seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def too_fast(times: list[datetime], rate: str, burst: int | None) -> str | None:
    """Return which interval has more starts than a rate allows."""
    number, _, unit = rate.split()
    per_second = int(number) / SECONDS[unit]
    for seconds in WINDOWS:
        allowed = per_second * seconds + (burst or max(1, int(per_second)))
        if (found := most_within(sorted(times), seconds)) > allowed + 0.001:
            return f"{found} starts within {seconds} s, {allowed:.1f} are allowed by {rate}, burst {burst}"
    return None


async def check_rates(db: Any, result: Limits) -> None:
    starts: dict[int, list[Any]] = defaultdict(list)
    for row in await db.fetch("select phase, limit_key, at from start"):
        starts[row["phase"]].append(row)
    result.starts = sum(map(len, starts.values()))
    phases = await db.fetch(
        "select number, limits ->> 'rate' as rate, limits ->> 'rate_per_key' as rate_per_key,"
        " (limits ->> 'burst')::integer as burst from phase"
    )
    for phase in phases:
        rows = starts[phase["number"]]
        groups = {"all": [row["at"] for row in rows]} if phase["rate"] else {}
        keys = {row["limit_key"] for row in rows if row["limit_key"]} if phase["rate_per_key"] else set()
        groups |= {key: [row["at"] for row in rows if row["limit_key"] == key] for key in keys}
        for group, times in groups.items():
            rate = phase["rate"] if group == "all" else phase["rate_per_key"]
            if problem := too_fast(times, rate, phase["burst"]):
                result.violations.append(f"phase {phase['number']}, {group}: {problem}")


async def stress(dsn: str, daemons: list[DaemonProcess], phases: int, seed: int) -> Limits:
    """Change the limits so many times, last to some that all jobs end with, and check what starts and runs."""
    result, chance = Limits(), random.Random(seed)
    db, sampler = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    await asyncio.gather(*(asyncio.to_thread(daemon.ready) for daemon in daemons))
    await db.execute(WATCH)
    await change_limits(db, 0, new_limits(chance))
    others = [
        asyncio.create_task(sample(await sampler.prepare(RUNNING), result)),
        asyncio.create_task(strike(daemons, result, random.Random(seed))),
    ]
    for number in range(1, phases + 1):
        ends = monotonic() + chance.uniform(*PHASE)
        while monotonic() < ends:
            await db.execute(INSERT, max(0, BACKLOG - await db.fetchval(READY)), KEYS)
            await asyncio.sleep(0.05)
        await change_limits(db, number, LAST if number == phases else new_limits(chance))
        result.phases += 1
        for task in others:
            if task.done():
                task.result()
    deadline = monotonic() + PATIENCE
    while await db.fetchval("select exists (select from asyncjob.job where status <> 'Completed')"):
        if monotonic() > deadline:
            left = await db.fetch("select id, status, limit_key, daemon_id, due_at from asyncjob.job"
                                  " where status <> 'Completed' order by id limit 20")  # fmt: skip
            result.violations += [f"job {row['id']} was forgotten: {dict(row)}" for row in left]
            break
        await asyncio.sleep(0.05)
    for task in others:
        task.cancel()
    result.violations += [row["seen"] for row in await db.fetch("select seen from violation")]
    await check_rates(db, result)
    await asyncio.gather(*others, return_exceptions=True)
    await sampler.close()
    await db.close()
    return result


def start(folder: Path, dsn: str, count: int) -> list[DaemonProcess]:
    return start_daemons(folder, dsn, count, {"sleeps": action(sleeps)}, lease=f"{LEASE} s", concurrency=20)


async def run(phases: int, daemons: int, seed: int, postgres: str, folder: Path) -> Limits:
    async with migrated_server(folder, postgres) as dsn:
        return await stress(dsn, start(folder, dsn, daemons), phases, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phases", type=int, default=200)
    parser.add_argument("--daemons", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgres", default="wheel")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="asyncjobd-limits-"))
    limits = asyncio.run(run(arguments.phases, arguments.daemons, arguments.seed, arguments.postgres, folder))
    print(f"{limits}, with {arguments.daemons} daemon(s)", *limits.violations[:20], sep="\n")
    sys.exit(bool(limits.violations))


if __name__ == "__main__":
    main()
