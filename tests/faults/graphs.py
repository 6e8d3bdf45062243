"""Look for jobs that start too early or never: `python -m tests.faults.graphs --graphs 20000 --daemons 2`.

Clients insert small graphs of jobs that wait for each other, each in one or two transactions, while daemons run what is
ready, are killed at random times, and start anew. Each job must end as its graph says, after all that it waits for.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import asyncpg

from tests.faults.fleet import migrated_server, start_daemons
from tests.support.actions import action
from tests.support.daemon import DaemonProcess
from tests.support.handlers import answer

WAVE = 1000  # graphs that are there at a time
CLIENTS = 4
PAUSE = (0.0, 0.01)  # seconds between the two transactions of a graph
KILLS = (0.2, 1.5)  # seconds from one kill until another daemon is chosen, which is killed once it is ready
LEASE = 2  # seconds
PATIENCE = 60.0  # seconds without any change, after which what is left was forgotten
ENDS = ["success", "success", "success", "fatal_error"]
WHEN_FAILED = [None, "Failed", "Queued", "In Progress", "Hold", "Completed"]

INSERT = """
    insert into asyncjob.job (id, job_name, params, status, max_execution_count, retry_interval, parent_id, waits_for,
                              waits_for_children, when_failed)
    select node.id, 'answer', node.params::jsonb, node.status::asyncjob.status, 1000, '10 ms', node.parent_id,
           node.waits_for::bigint[], node.has_children, node.when_failed::asyncjob.status
      from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::boolean[], $7::text[])
           with ordinality as node (id, params, status, parent_id, waits_for, has_children, when_failed, number)
     order by node.number
"""
# Times do not tell what was first: a transaction may begin before another one's commit, and see it all the same.
NOTE_RELEASES = """
    create table released (id bigint, open bigint[]);
    create function note_release() returns trigger language plpgsql as $$
    begin
        insert into public.released
        select new.id, array(select needed.id from asyncjob.job as needed
                              where (needed.id = any (new.waits_for)
                                     or new.waits_for_children and needed.parent_id = new.id)
                                and needed.status not in ('Completed', 'Failed'));
        return null;
    end
    $$;
    create trigger note_release after update on asyncjob.job for each row
        when (old.waits_on is not null and new.waits_on is null) execute function note_release();
"""
ROWS = """
    select job.id, job.status, job.execution_total > 0 as has_run,
           (select released.open from released where released.id = job.id) as open
      from asyncjob.job
"""


@dataclass(eq=False)
class Node:
    """A job of a graph. `needed`: those that it waits for, by their ids or as its children."""

    id: int
    end: str
    when_failed: str | None
    needed: list["Node"] = field(default_factory=list, repr=False)
    parent: "Node | None" = field(default=None, repr=False)
    waits_for_children: bool = False

    @property
    def fails(self) -> list["Node"]:
        """The jobs that it waits for and that fail."""
        return [node for node in self.needed if node.status == "Failed"]

    @property
    def status(self) -> str:
        """The status that it must have in the end. One that is held is set In Progress."""
        if self.fails and self.when_failed in (None, "Failed", "Completed"):
            return self.when_failed or "Failed"
        return "Failed" if self.end == "fatal_error" else "Completed"

    @property
    def runs(self) -> bool:
        return not self.fails or self.when_failed in ("Queued", "In Progress", "Hold")


@dataclass
class Graphs:
    """The result. `violations`: what was started too early, ended otherwise, or was forgotten."""

    graphs: int = 0
    jobs: int = 0
    kills: int = 0
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.graphs} graphs of {self.jobs} jobs, {self.kills} daemons killed,"
            f" {len(self.violations)} violations"
        )


def new_graph(chance: random.Random, ids: Iterator[int]) -> list[Node]:
    """Make a graph in an order in which its jobs can be inserted."""
    nodes: list[Node] = []
    for _ in range(chance.randint(2, 8)):
        node = Node(next(ids), chance.choice(ENDS), chance.choice(WHEN_FAILED))
        parents = [each for each in nodes if each.waits_for_children]
        if parents and chance.random() < 0.7:  # a child waits for nothing, so that there is no circle
            node.parent = chance.choice(parents)
            node.parent.needed.append(node)
        else:
            node.needed = chance.sample(nodes, chance.randint(0, min(3, len(nodes))))
            node.waits_for_children = chance.random() < 0.3
        nodes.append(node)
    return nodes


def arguments_of(nodes: Sequence[Node], held: Sequence[Node]) -> list[list[object]]:
    waits_for = [[needed.id for needed in node.needed if needed.parent is not node] for node in nodes]
    return [
        [node.id for node in nodes],
        [f'{{"answers": ["{node.end}"]}}' for node in nodes],
        ["Hold" if node in held else "Queued" for node in nodes],
        [node.parent and node.parent.id for node in nodes],
        [f"{{{','.join(map(str, ids))}}}" if ids else None for ids in waits_for],
        [node.waits_for_children or None for node in nodes],
        [node.when_failed for node in nodes],
    ]


async def insert(dsn: str, graphs: Sequence[list[Node]], chance: random.Random) -> None:
    """Insert each graph in two transactions. A parent is on Hold until its last child is there."""
    db = await asyncpg.connect(dsn)
    for nodes in graphs:
        cut = chance.randint(0, len(nodes))
        first, second = nodes[:cut], nodes[cut:]
        held = [node for node in first if any(child.parent is node for child in second)]
        await db.execute(INSERT, *arguments_of(first, held))
        await asyncio.sleep(chance.uniform(*PAUSE))
        async with db.transaction():
            await db.execute(INSERT, *arguments_of(second, []))
            for node in held:
                await db.execute("update asyncjob.job set status = 'Queued' where id = $1", node.id)
    await db.close()


async def settle(db: "asyncpg.Connection[asyncpg.Record]") -> bool:
    """Wait until all jobs have ended, and decide those that are held; return False if some never do."""
    left, since = -1, monotonic()
    while now := await db.fetchval(
        "select count(*) from asyncjob.job where status not in ('Completed', 'Failed') or daemon_id is not null"
    ):
        if now != left:
            left, since = now, monotonic()
        if monotonic() > since + PATIENCE:
            return False
        if await db.fetchval(
            "select not exists (select from asyncjob.job where status = 'In Progress' or status = 'Queued'"
            " and waits_on not in (select held.id from asyncjob.job as held where held.status in ('Hold', 'Queued')))"
        ):
            await db.execute("update asyncjob.job set status = 'In Progress' where status = 'Hold'")
        await asyncio.sleep(0.05)
    return True


async def check(db: "asyncpg.Connection[asyncpg.Record]", graphs: Sequence[list[Node]]) -> list[str]:
    rows = {row["id"]: row for row in await db.fetch(ROWS)}
    violations = []
    for node in (node for nodes in graphs for node in nodes):
        row = rows[node.id]
        if (row["status"], row["has_run"]) != (node.status, node.runs):
            violations.append(f"{node} is {dict(row)}, not {node.status}")
        still_open = row["open"] or []
        is_urgent = any(each.id not in still_open for each in node.fails) and node.when_failed != "Queued"
        if still_open and not is_urgent:
            violations.append(f"{node} was released before {still_open} had ended")
    return violations


async def kill_again_and_again(daemons: list[DaemonProcess], graphs: Graphs, chance: random.Random) -> None:
    """Kill one daemon after the other, and start it anew."""
    while True:
        await asyncio.sleep(chance.uniform(*KILLS))
        struck = chance.randrange(len(daemons))
        await asyncio.to_thread(daemons[struck].ready)
        daemons[struck].process.kill()
        await asyncio.to_thread(daemons[struck].process.wait)
        daemons[struck] = DaemonProcess(daemons[struck].config)
        graphs.kills += 1


async def stress(dsn: str, daemons: list[DaemonProcess], count: int, seed: int) -> Graphs:
    """Insert so many graphs, wave after wave, and check how their jobs end."""
    result, chance = Graphs(), random.Random(seed)
    db = await asyncpg.connect(dsn)
    await db.execute(NOTE_RELEASES)
    killing = asyncio.create_task(kill_again_and_again(daemons, result, random.Random(seed)))
    while result.graphs < count and not result.violations:
        size = min(WAVE, count - result.graphs)
        numbers = await db.fetch(
            "select nextval('asyncjob.job_id_seq') as id from generate_series(1, $1)", 8 * size
        )
        ids = iter([row["id"] for row in numbers])
        wave = [new_graph(chance, ids) for _ in range(size)]
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                own = random.Random(f"{seed} {result.graphs} {number}")
                group.create_task(insert(dsn, wave[number::CLIENTS], own))
        if not await settle(db):
            left = await db.fetch(
                "select id, status, waits_for, waits_on, due_at, daemon_id from asyncjob.job"
                " where status not in ('Completed', 'Failed') order by id limit 20"
            )
            result.violations += [f"job {row['id']} was forgotten: {dict(row)}" for row in left]
        result.violations += await check(db, wave)
        result.graphs += size
        result.jobs += sum(map(len, wave))
        if not result.violations:
            await db.execute("truncate asyncjob.job, asyncjob.execution, released")
    killing.cancel()
    await db.close()
    return result


def start(folder: Path, dsn: str, count: int) -> list[DaemonProcess]:
    return start_daemons(folder, dsn, count, {"answer": action(answer)}, lease=f"{LEASE} s")


async def run(count: int, daemons: int, seed: int, postgres: str, folder: Path) -> Graphs:
    async with migrated_server(folder, postgres) as dsn:
        return await stress(dsn, start(folder, dsn, daemons), count, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graphs", type=int, default=20_000)
    parser.add_argument("--daemons", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgres", default="wheel")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="asyncjobd-graphs-"))
    graphs = asyncio.run(run(arguments.graphs, arguments.daemons, arguments.seed, arguments.postgres, folder))
    print(f"{graphs}, with {arguments.daemons} daemon(s)", *graphs.violations[:20], sep="\n")
    sys.exit(bool(graphs.violations))


if __name__ == "__main__":
    main()
