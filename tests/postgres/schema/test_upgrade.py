"""A rolling upgrade: the next version migrates and starts while this one works, and no job notices."""

import asyncio
import itertools
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

import asyncjobd as this_version
from asyncjobd.client import Client
from asyncjobd.postgres.schema import drift as catalogue
from asyncjobd.postgres.schema.migration import migrations
from tests.conftest import NewDaemon
from tests.support.daemon import DEADLINE, DaemonProcess, asyncjobd
from tests.support.jobs import Connection

pytestmark = pytest.mark.anyio

NEXT = migrations()[-1].version + 1
SHARE = 100  # jobs that a daemon must have run before the next step


@pytest.fixture
def next_version(tmp_path: Path) -> dict[str, str]:
    """The environment of the next version, which is this one with one more column."""
    package = tmp_path / "next" / "asyncjobd"
    shutil.copytree(Path(this_version.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    append(package / "__init__.py", '__version__ = "next"\n')
    append(
        package / "postgres" / "schema" / "migrations" / f"{NEXT:04}_note.sql",
        "alter table asyncjob.job add column note text;\n",
    )
    append(package / "postgres" / "schema" / catalogue.FILE, "column asyncjob.job.note: text\n")
    return {"PYTHONPATH": f"{package.parent}:{os.environ.get('PYTHONPATH', '')}"}


def append(file: Path, text: str) -> None:
    with file.open("a") as end:
        end.write(text)


@asynccontextmanager
async def load(dsn: str) -> AsyncIterator[None]:
    """Insert all the time, as a client."""
    client = await asyncpg.connect(dsn)

    async def insert() -> None:
        for name in itertools.cycle(["succeed", "sleeps"]):
            await client.execute(
                "insert into asyncjob.job (job_name, params) select $1, '{\"seconds\": 0.02}' from generate_series(1, 10)",
                name,
            )
            await asyncio.sleep(0.01)

    inserting = asyncio.create_task(insert())
    try:
        yield
        assert not inserting.done(), inserting.exception()
    finally:
        inserting.cancel()
        await asyncio.gather(inserting, return_exceptions=True)
        client.terminate()


async def works_on(daemon: DaemonProcess) -> None:
    """Wait until the daemon has run its share from now on."""
    before = len(daemon.events("job.completed"))
    async with asyncio.timeout(DEADLINE):
        while len(daemon.events("job.completed")) < before + SHARE:
            await asyncio.sleep(0.05)


async def test_upgrade_while_daemons_work_loses_and_doubles_nothing(
    dsn: str, db: Connection, start_daemon: NewDaemon, next_version: dict[str, str]
) -> None:
    old = start_daemon(name="old", lease=15).ready()
    async with load(dsn):
        await works_on(old)
        migrated = await asyncio.to_thread(asyncjobd, "--dsn", dsn, "migrate", **next_version)
        assert migrated.stdout == f"applied {NEXT:04} note\n", migrated.stderr
        await works_on(old)
        new = await asyncio.to_thread(start_daemon(name="new", lease=15, environment=next_version).ready)
        await asyncio.gather(works_on(old), works_on(new))
        assert dict(await db.fetch("select name, version from asyncjob.daemon")) == {
            "old": this_version.__version__,
            "new": "next",
        }
        assert await asyncio.to_thread(old.stop) == 0
        await works_on(new)

    async with Client.connect(dsn) as client:  # of this version, with one column less
        (newest,) = await client.list(limit=1)
        assert await client.get(newest.id) is not None

    async with asyncio.timeout(DEADLINE):
        while await db.fetchval("select count(*) from asyncjob.job where status <> 'Completed'"):
            await asyncio.sleep(0.05)
    jobs = {job_id for (job_id,) in await db.fetch("select id from asyncjob.job")}
    for event in ("job.started", "job.completed"):
        ran = Counter(entry["job_id"] for daemon in (old, new) for entry in daemon.events(event))
        assert ran == dict.fromkeys(jobs, 1), event
    assert [
        entry for daemon in (old, new) for entry in daemon.events() if entry["level"] in {"warning", "error"}
    ] == []

    refused = start_daemon(name="old")
    assert refused.wait() == 1
    assert refused.errors.read_text() == (
        f"Error: the schema 'asyncjob' is at version {NEXT}, this asyncjobd knows {NEXT - 1}: upgrade asyncjobd\n"
    )
    assert new.stop() == 0
