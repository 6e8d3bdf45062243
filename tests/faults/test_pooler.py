"""Behind pgbouncer session state is lost, and in transaction mode notifications: the daemon finds out."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from asyncjobd import Client, JobBuilder
from asyncjobd.job import Status
from asyncjobd.postgres.embedded import EmbeddedServer
from tests.conftest import NewDaemon
from tests.faults.proxy import Proxy
from tests.support.daemon import DEADLINE, DaemonProcess, asyncjobd
from tests.support.jobs import Connection, insert, running, set_status, settled, unowned
from tests.support.pooler import needs_pooler, pooler

pytestmark = [pytest.mark.anyio, needs_pooler]

StartPooler = Callable[..., str]


@pytest.fixture
def start_pooler(server: EmbeddedServer, dsn: str, tmp_path: Path) -> Iterator[StartPooler]:
    """Start a pgbouncer in that mode; each call returns the dsn through it."""
    with ExitStack() as poolers:

        def start(mode: str, **more: str) -> str:
            return poolers.enter_context(pooler(server, dsn, tmp_path, mode, **more))

        yield start
        DaemonProcess.kill_all()


async def work(db: Connection) -> None:
    """Check what a daemon must do behind a pooler as anywhere."""
    assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"
    due = await settled(db, await insert(db, "succeed", schedule_time="now() + interval '300 ms'"))
    assert due["started_at"] >= due["schedule_time"]
    await db.execute("create table effect (n integer)")
    await settled(db, await insert(db, "writes", '{"sql": "insert into effect values (1)"}'))
    assert await db.fetchval("select count(*) from effect") == 1
    blocked = await insert(db, "block")
    await running(db, blocked)
    await set_status(db, blocked, "Hold")
    await unowned(db, blocked, "Hold")


async def test_daemon_behind_a_pooler_in_transaction_mode_polls_and_says_so(
    db: Connection, start_daemon: NewDaemon, start_pooler: StartPooler
) -> None:
    daemon = start_daemon(to=start_pooler("transaction")).ready()
    assert "transaction mode" in daemon.wait_for("listener.polls")["reason"]
    await work(db)
    await db.execute("insert into asyncjob.job (job_name) select 'succeed' from generate_series(1, 1000)")
    last = await insert(db, "succeed")
    assert (await settled(db, last))["status"] == "Completed"
    assert daemon.stop() == 0
    assert await db.fetchval("select count(*) from asyncjob.daemon") == 0


async def test_pooler_that_takes_every_startup_parameter_and_forgets_it_is_found_out(
    db: Connection, start_daemon: NewDaemon, start_pooler: StartPooler
) -> None:
    ignored = (
        "asyncjob.engine, enable_hashjoin, enable_mergejoin, enable_seqscan, enable_bitmapscan, plan_cache_mode, jit,"
        " client_connection_check_interval, tcp_keepalives_idle, tcp_keepalives_interval, tcp_keepalives_count"
    )
    daemon = start_daemon(to=start_pooler("transaction", ignore_startup_parameters=ignored)).ready()
    daemon.wait_for("listener.polls")
    await work(db)


async def test_daemon_behind_a_pooler_in_session_mode_hears(
    db: Connection, start_daemon: NewDaemon, start_pooler: StartPooler
) -> None:
    daemon = start_daemon(to=start_pooler("session")).ready()
    await work(db)
    assert not daemon.events("listener.polls")


@pytest.mark.parametrize(("mode", "level"), [("transaction", "warning"), ("session", "ok")])
async def test_doctor_tells_whether_notifications_get_through(
    start_pooler: StartPooler, mode: str, level: str
) -> None:
    done = asyncjobd("--dsn", start_pooler(mode), "doctor", "--json")
    findings = {each["about"]: each["level"] for each in json.loads(done.stdout)}
    assert (findings["pooler"], findings["rights"], findings["schema"]) == (level, "ok", "ok"), done.stdout


async def test_clients_and_commands_work_through_a_pooler(
    db: Connection, daemon: DaemonProcess, start_pooler: StartPooler
) -> None:
    dsn = start_pooler("transaction", default_pool_size="2")
    async with Client.connect(dsn) as client:
        ids = await client.insert_many([JobBuilder("succeed").build() for _ in range(20)])
        for job_id in ids:
            assert job_id is not None
            assert (await client.wait(job_id, timeout=timedelta(seconds=DEADLINE))).status is Status.COMPLETED
    enqueued = asyncjobd("--dsn", dsn, "enqueue", "succeed", "--wait")
    assert enqueued.returncode == 0, enqueued.stderr
    assert asyncjobd("--dsn", dsn, "migrate").returncode == 0


async def test_pooler_that_gives_no_answer_any_more_is_left(
    db: Connection, start_daemon: NewDaemon, start_pooler: StartPooler, proxy: Proxy, tmp_path: Path
) -> None:
    through = start_pooler("transaction", unix_socket_dir=str(tmp_path))
    proxy.server = tmp_path / f".s.PGSQL.{urlsplit(through).port}"
    daemon = start_daemon(proxy=proxy, lease="3 s").ready()
    assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"
    proxy.go_silent()
    daemon.wait_for("lease.unsure")
    proxy.heal()
    assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"
