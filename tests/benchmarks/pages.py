"""Measure the web page on a large table: `python -m tests.benchmarks.pages [JOBS]`.

The table gets so many jobs (10,000,000 unless given), nearly all of them ended. Then `asyncjobd web` serves on its socket:

- every page is asked for a few times, and pg_stat_statements says how long its statements take;
- one viewer, then 50 look at all the pages, each asking every second as a browser does;
- a daemon drains jobs, alone and beside 20 viewers in turn;
- nobody looks, and the page should ask the database nothing.

`--check` does the same with few jobs and seconds, to show that the benchmark still works.
"""

import asyncio
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any
from urllib.parse import quote

from asyncjobd.postgres.statement import load_statement, query_names
from tests.benchmarks.history import fill as fill_history
from tests.benchmarks.own_server import OwnServer, own_server, parser_of
from tests.benchmarks.processes import cpu_seconds
from tests.support.actions import action
from tests.support.daemon import DaemonProcess, write_config
from tests.support.handlers import succeed
from tests.support.web import WebProcess, web_config

ACTIONS = 20
ROLE = "web"
PREPARE = f"""
    create role {ROLE} login noinherit;
    grant asyncjob_reader, asyncjob_producer, asyncjob_operator to {ROLE};
    insert into asyncjob.action (name, handler, is_active) select 'action ' || n, '', true from generate_series(1, {ACTIONS}) as n;
    create extension pg_stat_statements;
    alter table asyncjob.job disable trigger user;
"""
# One of 1,000 is held, five are due later, 20 have failed; the rest is completed. The last 1,000 are ready.
FILL = f"""
    insert into asyncjob.job (job_name, params, status, due_at, schedule_time, created_at, started_at, finished_at,
                              execution_count, execution_total, last_execution_status, last_execution_time, message,
                              parent_id)
    select 'action ' || n % {ACTIONS} + 1, jsonb_build_object('to', 'customer' || n % 1000 || '@example.com', 'n', n),
           made.status::asyncjob.status, coalesce(made.due_at, made.at), made.due_at,
           made.at, case when made.has_ended then made.at end,
           case when made.has_ended then made.at + interval '0.2 s' end, made.has_ended::integer,
           made.has_ended::integer, case made.status when 'Completed' then 'completed' when 'Failed' then 'failed' end,
           case when made.has_ended then made.at + interval '0.2 s' end,
           case when made.status = 'Failed' then 'TimeoutError: host' || n % 7 || '.example.com took ' || n || ' ms' end,
           case when n between $2 - 2000 and $2 - 1500 then $2 - 2001 end
      from generate_series($1::bigint, $2::bigint) as n
     cross join lateral (
         select case when n > $3::bigint - 1000 then 'In Progress' when n % 1000 = 7 then 'Hold'
                     when n % 1000 between 10 and 14 then 'Queued' when n % 1000 between 20 and 39 then 'Failed'
                     else 'Completed' end) as given (status)
     cross join lateral (
         select given.status, now() - ($3::bigint - n) * interval '0.05 s',
                case given.status when 'Queued' then now() + (n % 1000 - 9) * interval '6 hours' end,
                given.status in ('Completed', 'Failed')) as made (status, at, due_at, has_ended)
     order by n
"""
BATCH = 1_000_000
INSERT = "insert into asyncjob.job (job_name) select 'succeed' from generate_series(1, $1::integer)"
RATE = """
    select count(*) / extract(epoch from max(finished_at) - min(started_at))::float8
      from asyncjob.job where job_name = 'succeed' and id > $1
"""
LEFT = "select exists (select from asyncjob.job where job_name = 'succeed' and status = 'In Progress')"
SLOWEST = """
    select query, mean_exec_time as mean, max_exec_time as longest, calls
      from pg_stat_statements where userid <> current_user::regrole order by mean_exec_time desc limit 12
"""
USED = """
    select coalesce(sum(calls), 0)::float8 as calls, coalesce(sum(total_exec_time), 0) / 1000 as seconds
      from pg_stat_statements where userid <> current_user::regrole
"""
RESET = "select pg_stat_statements_reset()"
WARM_UP = 5.0


@dataclass(frozen=True)
class Size:
    jobs: int = 10_000_000
    asks: int = 10  # of each page
    viewers: int = 50
    seconds: float = 60.0  # that they look
    drained: int = 500_000
    beside: int = 20  # viewers
    rounds: int = 5
    unseen: float = 12.0  # seconds after the last question, until the page asks the database nothing any more


FULL = Size()
CHECK = Size(jobs=20_000, asks=2, viewers=5, seconds=3.0, drained=3_000, beside=2, rounds=1, unseen=0.5)


def pages_of(jobs: int) -> dict[str, str]:
    """Return the paths of the pages, by what they are called in the table."""
    return {
        "overview": "/",
        "jobs": "/jobs",
        "jobs, all that have failed": "/jobs?q=status:Failed",
        "jobs, held of an action": "/jobs?q=name:'action 8' status:Hold",
        "jobs, queued": "/jobs?q=status:Queued",
        "jobs, ready of an action": "/jobs?q=name:'action 2' status:ready",
        "jobs, by params": "/jobs?q=params.to:customer7@example.com",
        "jobs, by a message that none has": '/jobs?q=message:"no such text"',
        "jobs, by time": "/jobs?q=since:1h status:Completed",
        "job, completed": f"/jobs/{jobs // 2}",
        "job, ready": f"/jobs/{jobs - 5}",
        "failures": "/failures",
        "action": "/actions/action 3",
        "schedule": "/schedule",
        "daemons": "/daemons",
        "tree of 501 children": f"/tree/{jobs - 2001}",
        "graph of 501 children": f"/graph/{jobs - 2001}",
        "history of 24 h": "/history?span=24h",
        "history of 30 d": "/history?span=30d",
        "database": "/database",
        "orders": "/orders",
    }


async def fill(db: Any, jobs: int) -> None:
    await db.execute(PREPARE)
    for first in range(1, jobs + 1, BATCH):
        await db.execute(FILL, first, min(jobs, first + BATCH - 1), jobs, timeout=600)
    await db.execute("alter table asyncjob.job enable trigger user")
    await fill_history(db, min(jobs // BATCH + 1, 3) * 24 * 60)
    await db.execute("vacuum analyze asyncjob.job", timeout=600)
    await db.execute("checkpoint", timeout=600)


class Browser:
    """Asks for pages over one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    @asynccontextmanager
    async def open(cls, socket: Path) -> AsyncIterator["Browser"]:
        reader, writer = await asyncio.open_unix_connection(socket)
        yield cls(reader, writer)
        writer.close()

    async def get(self, path: str, tag: str = "") -> tuple[float, str]:
        """Ask for a page or, with the tag of what one has, whether there is a newer one. Return milliseconds and its tag."""
        request = (
            f"GET {quote(path, safe='/?=&:')} HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {tag}\r\n\r\n"
        )
        began = perf_counter()
        self._writer.write(request.encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        status, headers = head.split()[1], dict(line.split(": ", 1) for line in head.splitlines()[1:] if line)
        text = await self._reader.readexactly(int(headers.get("content-length", 0)))
        took = 1000 * (perf_counter() - began)
        assert status in {"200", "304"}, (path, head, text[:500])
        return took, headers.get("etag", "")


class Viewers:
    """Browsers that look at pages: each asks for its page every second, with the tag of what it has."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self.waits: list[float] = []  # milliseconds

    @asynccontextmanager
    async def looking(self, paths: list[str], number: int) -> AsyncIterator[None]:
        """Have so many viewers look while the block runs."""
        async with asyncio.TaskGroup() as group:
            ended = asyncio.Event()
            for n in range(number):
                group.create_task(self._look(paths[n % len(paths)], ended))
            yield
            ended.set()

    async def _look(self, path: str, ended: asyncio.Event) -> None:
        async with Browser.open(self._socket) as browser:
            await asyncio.sleep(random.random())  # browsers do not begin at one instant
            tag = ""
            while not ended.is_set():
                took, tag = await browser.get(path, tag)
                self.waits.append(took)
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), max(0.0, 1 - took / 1000))


def essence(query: str) -> str:
    """Return what is left of a query in pg_stat_statements, which has no constants and no comment at its beginning."""
    return re.sub(r"--[^\n]*|'[^']*'|\$?\b\d+\b|\b(?:null|true|false)\b|\s", "", query)


async def ask_each(db: Any, socket: Path, pages: dict[str, str], size: Size) -> None:
    """Print how long each page takes with a look of its own, and then the slowest statements of all."""
    times: dict[str, list[float]] = {label: [] for label in pages}
    async with Browser.open(socket) as browser:
        for ask in range(size.asks + 1):
            if ask == 1:
                await db.execute(RESET)  # the first time the tables were cold
            for label, path in pages.items():
                times[label].append((await browser.get(path))[0])
            await asyncio.sleep(size.unseen)
    print("| page | the first time, ms | median, ms | longest, ms |\n|---|---|---|---|")
    for label, (first, *later) in times.items():
        print(f"| {label} | {first:,.0f} | {median(later):,.0f} | {max(later):,.0f} |")
    names = {essence(load_statement(name).sql): name for name in query_names()}
    print("\n| statement | mean, ms | longest, ms | calls |\n|---|---|---|---|")
    for row in await db.fetch(SLOWEST):
        name = names.get(essence(row["query"]), " ".join(row["query"][:40].split()))
        print(f"| {name} | {row['mean']:,.1f} | {row['longest']:,.1f} | {row['calls']} |")


async def look(server: OwnServer, page: WebProcess, paths: list[str], number: int, seconds: float) -> None:
    """Print what so many viewers wait, and what they cost."""
    viewers = Viewers(page.path)
    async with viewers.looking(paths, number):
        await asyncio.sleep(WARM_UP)
        viewers.waits.clear()
        await server.db.execute(RESET)
        postgres, own = server.cpu_seconds(), cpu_seconds(page.process.pid)
        await asyncio.sleep(seconds)
        postgres, own = server.cpu_seconds() - postgres, cpu_seconds(page.process.pid) - own
        used = await server.db.fetchrow(USED)
    p50, p95 = (quantiles(viewers.waits, n=100)[n - 1] for n in (50, 95))
    what = "all pages" if len(paths) > 1 else "the overview"
    print(
        f"| {number} at {what} | {p50:,.1f} | {p95:,.1f} | {max(viewers.waits):,.0f} | {used['calls'] / seconds:,.1f} |"
        f" {100 * postgres / seconds:,.1f} | {100 * own / seconds:,.1f} |",
        flush=True,
    )


async def drain(server: OwnServer, jobs: int) -> float:
    """Return the jobs that a daemon runs a second."""
    before = await server.db.fetchval("select max(id) from asyncjob.job")
    await server.db.execute(INSERT, jobs, timeout=600)
    await server.db.execute("analyze asyncjob.job; checkpoint", timeout=600)
    actions = {"succeed": action(succeed)}
    daemon = DaemonProcess(
        write_config(server.folder, server.embedded.dsn, actions, lease="30 s", logging={"level": "info"})
    )
    try:
        while await server.db.fetchval(LEFT):
            await asyncio.sleep(0.5)  # a shorter pause would slow the daemon
    finally:
        await asyncio.to_thread(daemon.stop)
    return float(await server.db.fetchval(RATE, before))


async def drain_beside_viewers(server: OwnServer, page: WebProcess, paths: list[str], size: Size) -> None:
    """Print the rate of a drain alone and beside viewers, and the medians of the ratios."""
    watched = {
        "alone": [],
        f"beside {size.beside} viewers of the overview": ["/"],
        f"beside {size.beside} of all pages": paths,
    }
    rates: dict[str, list[float]] = {label: [] for label in watched}
    for number in range(size.rounds):
        for label, seen in list(watched.items())[:: 1 if number % 2 == 0 else -1]:
            if seen:
                async with Viewers(page.path).looking(seen, size.beside):
                    rates[label].append(await drain(server, size.drained))
            else:
                await asyncio.sleep(size.unseen)
                rates[label].append(await drain(server, size.drained))
    print("\n| a drain | jobs/s | of alone |\n|---|---|---|")
    for label, found in rates.items():
        ratio = median(one / other for one, other in zip(found, rates["alone"], strict=True))
        print(f"| {label} | {median(found):,.0f} | {ratio:.3f} |")


async def main(size: Size, postgres: str) -> None:
    async with own_server(postgres, shared_preload_libraries="pg_stat_statements") as server:
        began = perf_counter()
        await fill(server.db, size.jobs)
        print(f"{size.jobs:,} jobs, filled in {perf_counter() - began:,.0f} s\n", flush=True)
        dsn = server.embedded.dsn.replace("postgres@", f"{ROLE}@")
        page = WebProcess(web_config(server.folder / "web", dsn, viewers=["root"])).ready()
        pages = pages_of(size.jobs)
        paths = list(pages.values())
        await ask_each(server.db, page.path, pages, size)
        print(
            "\n| viewers | median, ms | p95, ms | longest, ms | statements/s | PostgreSQL, % of a CPU | the page's process, % |"
        )
        print("|---|---|---|---|---|---|---|")
        await look(server, page, ["/"], 1, size.seconds)
        await look(server, page, ["/"], size.viewers, size.seconds)
        await look(server, page, paths, size.viewers, size.seconds)
        await asyncio.sleep(size.unseen)
        await server.db.execute(RESET)
        await asyncio.sleep(size.unseen)
        asked = await server.db.fetchrow(USED)
        print(f"| nobody, for {size.unseen:.0f} s | | | | {asked['calls'] / size.unseen:.1f} | | |")
        await drain_beside_viewers(server, page, paths, size)


if __name__ == "__main__":
    parser = parser_of(__doc__)
    parser.add_argument("jobs", type=int, nargs="?", default=FULL.jobs)
    arguments = parser.parse_args()
    size = CHECK if arguments.check else replace(FULL, jobs=arguments.jobs)
    asyncio.run(main(size, arguments.postgres))
