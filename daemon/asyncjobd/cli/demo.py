"""`asyncjobd demo`: a job for each file of a folder, with every other kind of job beside them."""

import asyncio
import os
import sysconfig
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from time import monotonic

import click
import msgspec
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from asyncjobd.actions.catalog import load_actions
from asyncjobd.cli.demo_page import served
from asyncjobd.cli.environment import Environment, open_database, pass_environment
from asyncjobd.cli.failures import Failure
from asyncjobd.cli.grid import Column, print_grid
from asyncjobd.cli.group import Command
from asyncjobd.config.model import ActionConfig, Config, DaemonConfig, LoggingConfig
from asyncjobd.engine.daemon import Daemon
from asyncjobd.monitoring.units import one_line, plural, size
from asyncjobd.monitoring.values import text
from asyncjobd.observability.logging import setup as logs
from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.schema.migrate import SchemaError, migrate

LOGGING = LoggingConfig(level="error")
LONGEST_DEMO_SECONDS = 25
ACTIONS = {
    "DemoPack": "pack",
    "DemoFolder": "FollowFolder",
    "DemoGreeting": "greet",
    "DemoFailsTwice": "fail_twice",
    "DemoTick": "tick",
}

INSERT_FOLDER = """
insert into asyncjob.job (job_name, params)
     values ('DemoFolder', jsonb_build_object('directory', $1::text, 'files', $2::int)) returning id"""
INSERT_FILES = """
insert into asyncjob.job (job_name, params, parent_id)
select 'DemoPack', jsonb_build_object('path', path), $2 from unnest($1::text[]) as path"""
INSERT_OTHERS = """
insert into asyncjob.job (job_name, params, status, schedule_time, retry_interval, is_recursive) values
    ('DemoGreeting',   '{"to": "the future"}', 'Queued', now() + interval '3 seconds', null,                 null),
    ('DemoGreeting',   '{"to": "patience"}',   'Hold',   null,                         null,                 null),
    ('DemoFailsTwice', '{}',                   'Queued', null,                         interval '1 second',  null),
    ('DemoTick',       '{}',                   'Queued', null,                         interval '1 second',  true),
    ('DemoGreting',    '{"to": "nobody"}',     'Queued', null,                         null,                 null)
returning id"""
RELEASE = "update asyncjob.job set status = 'Queued' where id = $1"
HAS_ENDED = """
select coalesce(bool_and(status in ('Completed', 'Failed') or hold_reason is not null), true)
  from asyncjob.job where id = any ($1)"""
CHILDREN = """
select count(*) filter (where status = 'Completed') as completed, count(*) filter (where status = 'Failed') as failed,
       sum((result ->> 'bytes')::bigint) as bytes, sum((result ->> 'packed')::bigint) as packed,
       extract(epoch from max(finished_at) - min(created_at))::float8 as seconds
  from asyncjob.job where parent_id = $1"""
WHAT_BECAME = """
select id, job_name, status::text, execution_total as executions,
       to_char(created_at, 'MI:SS.MS') as created, to_char(schedule_time, 'MI:SS.MS') as scheduled,
       to_char(started_at, 'MI:SS.MS') as last_start, to_char(finished_at, 'MI:SS.MS') as finished,
       coalesce(hold_reason, message) as message
  from asyncjob.job where id = any ($1) order by id"""


@click.command(cls=Command)
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path), required=False)
@click.option(
    "--limit", type=click.IntRange(1), default=3000, show_default=True, help="Take this many files at most."
)
@click.option("--web", "is_web", is_flag=True, help="Serve the web page of these jobs, until Ctrl-C.")
@pass_environment
def demo(environment: Environment, directory: Path | None, limit: int, is_web: bool) -> None:
    """Digest and compress the files of DIRECTORY (default: Python's own library), one job a file, and show the other
    kinds of jobs beside them: scheduled, held, retried, recursive, unknown. Ends by itself."""
    logs.configure(LOGGING)
    folder = directory or Path(sysconfig.get_path("stdlib"))
    files = _files(folder, limit)
    if not files:
        raise Failure(f"there are no files in {folder}")
    environment.run(_demo(environment, folder, files, is_web=is_web), uvloop.run)


def _files(folder: Path, limit: int) -> list[str]:
    found: list[str] = []
    for parent, folders, names in os.walk(folder.resolve()):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file() and os.access(path, os.R_OK) and str(path).isprintable():
                found.append(str(path))
                if len(found) == limit:
                    return found
    return found


async def _demo(environment: Environment, folder: Path, files: list[str], *, is_web: bool) -> None:
    console = Console()
    threads = ThreadPoolExecutor(4, thread_name_prefix="handler")
    actions = {
        name: ActionConfig(f"asyncjobd_handlers.demo:{attribute}") for name, attribute in ACTIONS.items()
    }
    # A schema of its own, apart from real jobs
    place = msgspec.structs.replace(environment.database_config, schema="asyncjob_demo")
    config = Config(
        place,
        DaemonConfig("demo", lease=timedelta(seconds=3), unknown_name_grace=timedelta(seconds=2)),
        logging=LOGGING,
        actions=actions,
    )
    async with open_database(place) as database:
        with console.status("starting PostgreSQL ..."):
            await _migrate(database)
        look = f"{database.psql} -c 'table asyncjob_demo.job'"
        console.print(f"look at the jobs meanwhile:  {look}", highlight=False, soft_wrap=True)
        daemon = Daemon(config, database, load_actions(config, threads))
        await daemon.register()
        running = asyncio.create_task(daemon.run())
        connection = await database.connect("demo")
        try:
            async with served(database, console) if is_web else nullcontext():
                parent, others = await _insert(connection, database, folder, files)
                await _follow(connection, database, running, [parent, *others], others[1], len(files))
                await _report(connection, database, console, parent, others)
        finally:
            await connection.close()
            daemon.stop()
            await running
            threads.shutdown(wait=False, cancel_futures=True)


async def _migrate(database: Database) -> None:
    """Make the demo's schema, in place of what another version's demo left."""
    try:
        await migrate(database)
    except SchemaError:
        connection = await database.connect("demo")
        try:
            await connection.execute(f"drop schema if exists {database.schema} cascade")
        finally:
            await connection.close()
        await migrate(database)


async def _insert(
    connection: Connection, database: Database, folder: Path, files: list[str]
) -> tuple[int, list[int]]:
    async with connection.transaction():
        parent = await connection.fetchval(database.sql(INSERT_FOLDER), str(folder), len(files))
        await connection.execute(database.sql(INSERT_FILES), files, parent)
        others = await connection.fetch(database.sql(INSERT_OTHERS))
    return parent, [row["id"] for row in others]


async def _follow(
    connection: Connection,
    database: Database,
    daemon: "asyncio.Task[None]",
    jobs: Sequence[int],
    held: int,
    files: int,
) -> None:
    """Show the parent's progress until all have ended; release the held job on the way."""
    deadline = monotonic() + LONGEST_DEMO_SECONDS
    is_released = False
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as bar:
        task = bar.add_task(f"job {jobs[0]}", total=files)
        while monotonic() < deadline and not daemon.done():
            progress, has_started = await connection.fetchrow(  # type: ignore[misc]
                database.sql("select progress, started_at is not null from asyncjob.job where id = $1"),
                jobs[0],
            )
            bar.update(task, completed=round((progress or 0) * files))
            if has_started and not is_released:
                await connection.execute(database.sql(RELEASE), held)
                is_released = True
            if await connection.fetchval(database.sql(HAS_ENDED), jobs):
                bar.update(task, completed=files)
                return
            await asyncio.sleep(0.1)


async def _report(
    connection: Connection, database: Database, console: Console, parent: int, others: list[int]
) -> None:
    """Print what became of the jobs. Raise Failure where one did not end as it should."""
    rows = await connection.fetch(database.sql(WHAT_BECAME), [parent, *others])
    columns = [
        Column("JOB", "right"), Column("name"), Column("status"), Column("tries", "right"), Column("created"),
        Column("due"), Column("last start"), Column("finished"), Column("message", gives=True),
    ]  # fmt: skip
    console.print("what became of each (minutes and seconds of the hour):")
    print_grid(columns, [[one_line(text(value)) for value in row.values()] for row in rows], empty="none")
    children = await connection.fetchrow(database.sql(CHILDREN), parent)
    assert children is not None
    done, read, packed = (float(children[key] or 0) for key in ("seconds", "bytes", "packed"))
    console.print(
        f"{plural(children['completed'], 'file')} Completed, {children['failed']} Failed in "
        f"{done:.1f} s: {size(read)}, compressed {size(packed)}",
        highlight=False,
    )
    unfinished = [row["id"] for row in rows if row["status"] not in {"Completed", "Hold"}]
    if unfinished or children["failed"]:
        raise Failure(f"not all went well: {unfinished or 'some files failed'}")
