"""Measure what a parent that waits costs its children: `python -m tests.benchmarks.fan_in [ROUNDS]`.

A daemon runs the children of one parent, which waits for them or does not, in turn, on an embedded server with durable
settings. Prints the medians of the children's rates and of their ratios, and how long after its last child a parent
that waits starts.

`--check` does the same once with a few children, to show that the benchmark still works.
"""

import asyncio
import statistics
from pathlib import Path
from typing import Any

from tests.benchmarks.own_server import own_server, parser_of
from tests.support.actions import action
from tests.support.daemon import DaemonProcess, write_config
from tests.support.handlers import succeed

CHILDREN = 100_000
FEW = 500  # with --check
INSERT = """
    with parent as (insert into asyncjob.job (job_name, waits_for_children) values ('parent', $1) returning id)
    insert into asyncjob.job (job_name, parent_id) select 'child', parent.id from parent, generate_series(1, $2)
"""
CHILDREN_RATE = """
    select count(*) / extract(epoch from max(finished_at) - min(started_at))::float8 as rate,
           max(finished_at) as last
      from asyncjob.job where job_name = 'child' and status = 'Completed'
"""


async def run(db: Any, dsn: str, folder: Path, children: int, *, waits: bool) -> tuple[float, float]:
    """Return the children's rate (jobs/s), and the seconds from the last one's end to the parent's start."""
    await db.execute("truncate asyncjob.job restart identity cascade")
    await db.execute(INSERT, waits, children)
    await db.execute("vacuum analyze asyncjob.job")
    await db.execute("checkpoint")
    actions = {"child": action(succeed), "parent": action(succeed)}
    daemon = DaemonProcess(write_config(folder, dsn, actions, lease="30 s", logging={"level": "info"}))
    try:
        while await db.fetchval("select exists (select from asyncjob.job where status <> 'Completed')"):
            await asyncio.sleep(0.5)  # a shorter pause would slow the daemon
    finally:
        await asyncio.to_thread(daemon.stop)
    found = await db.fetchrow(CHILDREN_RATE)
    started = await db.fetchval("select started_at from asyncjob.job where job_name = 'parent'")
    return found["rate"], (started - found["last"]).total_seconds()


async def measure(db: Any, dsn: str, folder: Path, rounds: int, children: int) -> None:
    alone: list[float] = []
    waited_for: list[float] = []
    delays: list[float] = []
    for number in range(rounds):
        for waits in (False, True) if number % 2 == 0 else (True, False):
            rate, delay = await run(db, dsn, folder, children, waits=waits)
            (waited_for if waits else alone).append(rate)
            if waits:
                delays.append(delay)
    ratios = [ours / plain for plain, ours in zip(alone, waited_for, strict=True)]
    print("| | nobody waits | the parent waits | ratio |\n|---|---|---|---|")
    print(
        f"| {children:,} children, jobs/s | {statistics.median(alone):,.0f} | {statistics.median(waited_for):,.0f} |"
        f" {statistics.median(ratios):.2f} |"
    )
    print(f"| from the last child to the parent, ms | | {1000 * statistics.median(delays):.0f} | |")


async def main(rounds: int, children: int, postgres: str) -> None:
    async with own_server(postgres) as server:
        await measure(server.db, server.embedded.dsn, server.folder, rounds, children)


if __name__ == "__main__":
    parser = parser_of(__doc__)
    parser.add_argument("rounds", type=int, nargs="?", default=5)
    arguments = parser.parse_args()
    rounds, children = (1, FEW) if arguments.check else (arguments.rounds, CHILDREN)
    asyncio.run(main(rounds, children, arguments.postgres))
