"""Measure what the triggers cost a client: `python -m tests.benchmarks.inserts [ROUNDS]`.

Compares asyncjob.job with the same table without triggers, in turn, on an embedded server with durable settings, and
prints the medians of both and of their ratios. pgbench inserts single rows by a prepared statement.

`--check` does the same once and briefly, to show that the benchmark still works.
"""

import asyncio
import statistics
from asyncio.subprocess import PIPE
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from asyncjobd.postgres.embedded import EmbeddedServer
from tests.benchmarks.own_server import own_server, parser_of
from tests.support.actions import action
from tests.support.daemon import DaemonProcess, write_config
from tests.support.handlers import succeed

PLAIN = """
create schema plain;
create table plain.job (like asyncjob.job including defaults including identity including indexes)
    with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
"""
SCHEMAS = ("plain", "asyncjob")
INSERT = "insert into {schema}.job (job_name, params) values ('succeed', '{{\"n\": 1}}')"
BULK = "insert into {schema}.job (job_name, params) select 'succeed', jsonb_build_object('n', n) from generate_series(1, $1) n"
RUN = "update {schema}.job set daemon_id = 1, claim_token = 1, started_at = now(), execution_count = 1, execution_total = 1"
UPDATE = "\\set n random(1, {rows})\nupdate {schema}.job set priority = 1 - priority where id = :n;"


@dataclass(frozen=True)
class Size:
    seconds: int  # each run of pgbench lasts so long
    rows: int  # inserted in bulk, and updated while they run


FULL = Size(seconds=5, rows=50_000)
CHECK = Size(seconds=1, rows=500)


class Server:
    """The server, with both tables in one database."""

    def __init__(self, folder: Path, embedded: EmbeddedServer, db: Any, size: Size) -> None:
        self.folder = folder
        self.dsn = embedded.dsn
        self._pgbench = embedded.binaries / "pgbench"
        self.db = db
        self.size = size

    async def clear(self) -> None:
        await self.db.execute("truncate asyncjob.job, plain.job restart identity cascade")
        await self.db.execute("checkpoint")

    async def transactions(self, script: str, clients: int) -> float:
        """Run pgbench with a script, and return the transactions a second."""
        path = self.folder / "script.sql"
        path.write_text(script)
        command: list[str | Path] = [
            self._pgbench, "--no-vacuum", "--protocol=prepared", f"--client={clients}", f"--jobs={min(clients, 2)}",
            f"--time={self.size.seconds}", f"--file={path}", self.dsn,
        ]  # fmt: skip
        process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
        output = (await process.communicate())[0].decode()
        if process.returncode != 0:
            raise RuntimeError(f"pgbench ended with {process.returncode}")
        (line,) = (line for line in output.splitlines() if line.startswith("tps = "))
        return float(line.split()[2])


async def single(server: Server, schema: str, clients: int) -> float:
    await server.clear()
    return await server.transactions(INSERT.format(schema=schema), clients)


async def beside_a_daemon(server: Server, schema: str) -> float:
    """Insert with 32 clients; into asyncjob.job while a daemon runs what comes."""
    if schema == "plain":
        return await single(server, schema, 32)
    await server.clear()
    config = write_config(server.folder, server.dsn, {"succeed": action(succeed)}, logging={"level": "info"})
    daemon = DaemonProcess(config).ready()
    try:
        return await server.transactions(INSERT.format(schema=schema), 32)
    finally:
        daemon.stop()


async def bulk(server: Server, schema: str) -> float:
    await server.clear()
    began = perf_counter()
    await server.db.execute(BULK.format(schema=schema), server.size.rows)
    return server.size.rows / (perf_counter() - began)


async def update_running(server: Server, schema: str) -> float:
    """Update rows that a daemon runs, with one client."""
    await server.clear()
    await server.db.execute(BULK.format(schema=schema), server.size.rows)
    await server.db.execute("set asyncjob.engine = on")
    await server.db.execute(RUN.format(schema=schema))
    await server.db.execute("reset asyncjob.engine")
    await server.db.execute(f"vacuum analyze {schema}.job")
    return await server.transactions(UPDATE.format(schema=schema, rows=server.size.rows), 1)


MEASURES = {
    "one client, rows/s": lambda server, schema: single(server, schema, 1),
    "32 clients, rows/s": lambda server, schema: single(server, schema, 32),
    "32 clients, beside a daemon that runs the rows, rows/s": beside_a_daemon,
    "one statement of 50,000 rows, rows/s": bulk,
    "one client updates rows that run, rows/s": update_running,
}


async def measure(server: Server, rounds: int) -> None:
    print("| | plain table | asyncjob.job | ratio |\n|---|---|---|---|")
    for name, run in MEASURES.items():
        figures = defaultdict(list)
        for number in range(rounds):
            for schema in SCHEMAS if number % 2 == 0 else reversed(SCHEMAS):
                figures[schema].append(await run(server, schema))
        ratios = [ours / plain for plain, ours in zip(figures["plain"], figures["asyncjob"], strict=True)]
        plain, ours = (statistics.median(figures[schema]) for schema in SCHEMAS)
        print(f"| {name} | {plain:,.0f} | {ours:,.0f} | {statistics.median(ratios):.2f} |", flush=True)


async def main(rounds: int, size: Size, postgres: str) -> None:
    async with own_server(postgres) as server:
        await server.db.execute(PLAIN)
        await measure(Server(server.folder, server.embedded, server.db, size), rounds)


if __name__ == "__main__":
    parser = parser_of(__doc__)
    parser.add_argument("rounds", type=int, nargs="?", default=5)
    arguments = parser.parse_args()
    rounds, size = (1, CHECK) if arguments.check else (arguments.rounds, FULL)
    asyncio.run(main(rounds, size, arguments.postgres))
