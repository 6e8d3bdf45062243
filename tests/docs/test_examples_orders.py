"""The worked example of an order, by psql and from Python: it fans out, is held for a person, and fans in."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.snippets import DOCS, named, read
from tests.support.daemon import DaemonProcess
from tests.support.jobs import Connection, settled, unowned

pytestmark = pytest.mark.anyio

# Counts at each claim the parts that daemons own: all, and of the tenant that has most.
COUNT_AT_EACH_CLAIM = """
    create table public.running (parts bigint, of_a_tenant bigint);
    create function public.count_running() returns trigger language plpgsql as $$
    begin
        insert into public.running
        select sum(tenant.parts), max(tenant.parts)
          from (select count(*) as parts from asyncjob.job
                 where job.job_name = 'Part' and job.daemon_id is not null group by job.limit_key) as tenant;
        return null;
    end
    $$;
    create trigger count_running after update of daemon_id on asyncjob.job
        for each statement execute function public.count_running();
"""
MOST_AT_A_TIME = "select max(parts), max(of_a_tenant) from public.running"
EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def served(dsn: str, tmp_path: Path) -> DaemonProcess:
    (tmp_path / "actions.d").mkdir()
    for name in ("config.toml", "orders.py", "place_order.py", "actions.d/Order.toml", "actions.d/Part.toml"):
        shutil.copy(EXAMPLES / name, tmp_path / name)
    return DaemonProcess(tmp_path / "config.toml", ASYNCJOBD_DSN=dsn).ready()


def test_page_has_the_files_of_the_example() -> None:
    files = {
        snippet.file: snippet.text for snippet in read(DOCS / "howto" / "order_example.md") if snippet.file
    }
    for name in ("orders.py", "place_order.py"):
        assert files[name] == (EXAMPLES / name).read_text()


async def held(db: Connection) -> None:
    order = await unowned(db, 1, "Hold")
    failed = await db.fetchrow(
        "select id, message from asyncjob.job where parent_id = 1 and status = 'Failed'"
    )
    assert failed["message"] == "article 500 has no price"
    assert order["hold_reason"] == f"job {failed['id']}, which it waited for, has failed"


async def summed_up(db: Connection) -> None:
    order = await settled(db, 1)
    assert (order["status"], order["message"]) == ("Completed", "1000 in all")
    assert json.loads(order["result"]) == {"ann": 334, "bob": 333, "cid": 333}
    last = await db.fetchval("select max(finished_at) from asyncjob.job where parent_id = 1")
    assert last <= order["started_at"]
    together, of_a_tenant = await db.fetchrow(MOST_AT_A_TIME)
    assert together <= 10
    assert of_a_tenant <= 4


async def test_order_by_sql(db: Connection, served: DaemonProcess) -> None:
    await db.execute(COUNT_AT_EACH_CLAIM)
    await db.execute(named("order-prices").text)
    await db.execute(named("order-place").text)
    await db.execute(named("order-limit").text)
    await held(db)
    await db.execute(named("order-look").text)
    await db.execute(named("order-repair").text)
    await summed_up(db)


async def test_order_from_python(db: Connection, dsn: str, served: DaemonProcess, tmp_path: Path) -> None:
    async def run(*arguments: str) -> str:
        ran = await asyncio.to_thread(
            subprocess.run, [sys.executable, "place_order.py", *arguments], cwd=tmp_path, capture_output=True,
            text=True, timeout=60, env=os.environ | {"DATABASE_URL": dsn},
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    await db.execute(COUNT_AT_EACH_CLAIM)
    await db.execute(named("order-prices").text)
    assert await run("place") == "1\n"
    await held(db)
    await db.execute("insert into price values (500, 1)")
    assert (await run("repair", "1")).endswith(" article 500 has no price\n1000 in all\n")
    await summed_up(db)
