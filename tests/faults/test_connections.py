"""Broken connections to the database: the daemon waits, loses nothing, and says so."""

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import pytest
from anyio.from_thread import BlockingPortal

from asyncjobd.postgres.embedded import EmbeddedServer
from tests.conftest import NewDaemon
from tests.faults.proxy import Proxy
from tests.support.daemon import DEADLINE, DaemonProcess
from tests.support.jobs import Connection, insert, row, running, settled, until
from tests.support.service_manager import ServiceManager

pytestmark = pytest.mark.anyio


def cut(proxy: Proxy) -> None:
    proxy.cut()


def reset(proxy: Proxy) -> None:
    proxy.reset()


def go_half_open(proxy: Proxy) -> None:
    proxy.go_silent()


def refuse(proxy: Proxy) -> None:
    proxy.refuses = True
    proxy.reset()


def delay(proxy: Proxy) -> None:
    proxy.delay = 0.2


@pytest.mark.parametrize("fault", [cut, reset, go_half_open, refuse, delay])
async def test_jobs_complete_after_the_connection_was_broken(
    db: Connection, start_daemon: NewDaemon, proxy: Proxy, tmp_path: Path, fault: Callable[[Proxy], None]
) -> None:
    daemon = start_daemon(proxy=proxy, lease="6 s").ready()
    file = tmp_path / "end"
    ran_on = await insert(db, "block_in_thread", json.dumps({"file": str(file)}))
    await running(db, ran_on)
    fault(proxy)
    file.touch()
    meanwhile = await insert(db, "succeed")
    if fault is not delay and fault is not cut:
        daemon.wait_for("database.away")
    proxy.heal()
    for job_id in (ran_on, meanwhile, await insert(db, "succeed")):
        job = await settled(db, job_id)
        assert job["status"] == "Completed"
    assert (await row(db, ran_on))["execution_total"] == 1
    assert daemon.stop() == 0  # whose records may have been answered late
    assert len(daemon.events("job.completed", job_id=ran_on)) == 1
    assert len(daemon.events("job.completed", job_id=meanwhile)) == 1


async def test_listener_that_no_longer_hears_anything_reconnects(
    db: Connection, start_daemon: NewDaemon, proxy: Proxy
) -> None:
    """The connection lives, but the server says that it listens to another channel."""
    proxy.rewrites = {b'LISTEN "asyncjob"': b'LISTEN "asyncjo_"'}
    daemon = start_daemon(proxy=proxy, lease="1.5 s").ready()
    assert "NotListening" in daemon.wait_for("database.away", part="listener")["reason"]
    proxy.rewrites = {}
    for _ in range(3):
        assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"


async def test_server_that_became_read_only_is_left(db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon(lease="3 s").ready()
    await db.execute("alter system set default_transaction_read_only = on")
    try:
        await db.execute("select pg_reload_conf()")
        daemon.wait_for("database.away")
        daemon.wait_for("lease.unsure")
    finally:
        await db.execute("set default_transaction_read_only = off")
        await db.execute("alter system reset default_transaction_read_only")
        await db.execute("select pg_reload_conf()")
    assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"


@pytest.fixture
async def worker_dsn(db: Connection, dsn: str) -> str:
    """The dsn of a role that is no superuser and has the rights that a daemon needs."""
    name = urlsplit(dsn).path.strip("/")
    await db.execute(f"create role worker_{name} login")
    await db.execute(
        f"grant usage on schema asyncjob to worker_{name}; grant all on all tables in schema asyncjob to worker_{name}"
    )
    return dsn.replace("postgres@", f"worker_{name}@")


async def test_daemon_waits_while_all_connections_are_used_up(
    db: Connection, start_daemon: NewDaemon, worker_dsn: str
) -> None:
    daemon = start_daemon(to=worker_dsn, lease="3 s").ready()
    role = worker_dsn.split("//")[1].split("@")[0]
    await db.execute(f"alter role {role} connection limit 0")
    await db.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", role)
    daemon.wait_for("lease.unsure")
    job_id = await insert(db, "succeed")
    await db.execute(f"alter role {role} connection limit -1")
    assert (await settled(db, job_id))["status"] == "Completed"


@pytest.mark.parametrize("sqlstate", ["40P01", "40001", "53100", "55P03", "57014"])
async def test_statement_that_fails_for_a_while_is_run_again(
    db: Connection, daemon: DaemonProcess, sqlstate: str
) -> None:
    """The first three writes fail: deadlock, serialization, disk full, lock_timeout or statement_timeout."""
    await db.execute(
        f"""
        create sequence failures;
        create function fail() returns trigger language plpgsql as $$
        begin
            if nextval('public.failures') <= 3 then raise exception 'for a while' using errcode = '{sqlstate}'; end if;
            return new;
        end $$;
        create trigger fail before update on asyncjob.job for each row execute function fail()
        """
    )
    job = await settled(db, await insert(db, "succeed"))
    assert (job["status"], job["execution_total"]) == ("Completed", 1)
    assert daemon.stop() == 0
    assert len(daemon.events("job.completed")) == 1
    assert daemon.events("statement.failed")


@pytest.mark.parametrize("again", ["terminated once", "terminated again and again"])
async def test_jobs_complete_though_all_sessions_are_terminated(
    db: Connection, daemon: DaemonProcess, again: str
) -> None:
    for _ in range(1 if again == "terminated once" else 20):
        await db.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'asyncjobd %'"
            " and datname = current_database()"
        )
        await insert(db, "succeed")
        await asyncio.sleep(0.02)
    async with asyncio.timeout(20):
        while await db.fetchval("select count(*) from asyncjob.job where status <> 'Completed'"):
            await asyncio.sleep(0.01)
    assert await db.fetchval("select max(execution_total) from asyncjob.job") <= 2
    assert daemon.stop() == 0


async def test_stop_while_the_database_is_away_does_not_wait_for_it(
    db: Connection, start_daemon: NewDaemon, proxy: Proxy
) -> None:
    daemon = start_daemon(proxy=proxy).ready()
    refuse(proxy)
    daemon.wait_for("database.away")
    assert daemon.stop() == 0


async def test_stop_while_an_outcome_cannot_be_written_waits_until_it_is(
    db: Connection, start_daemon: NewDaemon, proxy: Proxy, tmp_path: Path
) -> None:
    file = tmp_path / "end"
    daemon = start_daemon(proxy=proxy, lease="60 s").ready()
    job_id = await insert(db, "block_in_thread", json.dumps({"file": str(file)}))
    daemon.wait_for("job.started", job_id=job_id)
    refuse(proxy)
    daemon.wait_for("database.away")
    daemon.process.send_signal(signal.SIGTERM)
    daemon.wait_for("daemon.stopping")
    file.touch()
    proxy.heal()
    assert daemon.wait() == 0
    job = await row(db, job_id)
    assert (job["status"], job["execution_total"], job["daemon_id"]) == ("Completed", 1, None)


async def test_second_signal_does_not_wait_for_an_outcome_that_cannot_be_written(
    db: Connection, start_daemon: NewDaemon, proxy: Proxy, tmp_path: Path
) -> None:
    daemon = start_daemon(proxy=proxy, lease="60 s").ready()
    job_id = await insert(db, "block")
    daemon.wait_for("job.started", job_id=job_id)
    refuse(proxy)
    daemon.wait_for("database.away")
    daemon.process.send_signal(signal.SIGTERM)
    daemon.wait_for("daemon.stopping")
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.wait() == 0
    assert daemon.events("outcomes.unwritten", count=1)
    start_daemon().ready()
    await until(db, job_id, lambda r: r["execution_total"] == 2)


async def test_unit_status_follows_an_outage(
    db: Connection, start_daemon: NewDaemon, proxy: Proxy, service_manager: ServiceManager
) -> None:
    refuse(proxy)
    daemon = start_daemon(proxy=proxy, lease="3 s", environment=service_manager.environment)
    told = service_manager.wait_for(lambda message: "STATUS=waiting for the database" in message)
    assert told[-1].startswith("EXTEND_TIMEOUT_USEC=")
    proxy.heal()
    told = service_manager.wait_for(lambda message: message == "READY=1")
    service_manager.wait_for(lambda message: message.startswith("STATUS=running 0/100, ready 0"))
    refuse(proxy)
    service_manager.wait_for(lambda message: message.startswith("STATUS=database away since "))
    service_manager.wait_for(lambda message: "lease not held" in message)
    proxy.heal()
    told = service_manager.wait_for(lambda message: message.startswith("STATUS=running 0/100, ready 0"))
    daemon.process.send_signal(signal.SIGTERM)
    told = service_manager.wait_for(lambda message: message.startswith("STOPPING=1"))
    assert not any("away" in message for message in told)
    assert daemon.wait() == 0


async def test_service_manager_that_does_not_listen_ends_no_daemon(
    db: Connection, start_daemon: NewDaemon, service_manager: ServiceManager
) -> None:
    daemon = start_daemon(lease="1.5 s", environment=service_manager.environment).ready()
    service_manager.close()
    end = monotonic() + 1  # several beats
    while monotonic() < end:
        assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"
    assert daemon.stop() == 0


@pytest.mark.parametrize("first", [b"to_regclass", b"insert into asyncjob.daemon"])
async def test_stop_is_obeyed_while_the_first_statements_get_no_answer(
    start_daemon: NewDaemon, proxy: Proxy, first: bytes
) -> None:
    proxy.swallows = first
    daemon = start_daemon(proxy=proxy)
    deadline = monotonic() + DEADLINE
    while proxy.swallows is not None:
        assert monotonic() < deadline
        await asyncio.sleep(0.02)
    assert daemon.stop() == 0
    assert not daemon.events("daemon.ready")


async def test_server_that_takes_no_writes_yet_is_waited_for(db: Connection, start_daemon: NewDaemon) -> None:
    await db.execute("alter system set default_transaction_read_only = on")
    try:
        await db.execute("select pg_reload_conf()")
        daemon = start_daemon()
        daemon.wait_for("database.unreachable")
    finally:
        await db.execute("set default_transaction_read_only = off")
        await db.execute("alter system reset default_transaction_read_only")
        await db.execute("select pg_reload_conf()")
    daemon.ready()


async def test_new_session_that_gets_no_answer_does_not_hold_up_the_others(
    db: Connection, start_daemon: NewDaemon, proxy: Proxy
) -> None:
    start_daemon(proxy=proxy, lease="6 s").ready()
    deadline = monotonic() + DEADLINE
    proxy.swallows = b"pg_backend_pid"
    while proxy.swallows is not None:
        assert monotonic() < deadline
        await db.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'asyncjobd claimer'"
            " and datname = current_database()"
        )
        await asyncio.sleep(0.05)
    assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"


async def test_stop_does_not_wait_for_an_idle_connection_that_is_half_open(
    db: Connection, start_daemon: NewDaemon, proxy: Proxy
) -> None:
    daemon = start_daemon(proxy=proxy).ready()
    parent = await insert(db, "fans_out", '{"children": 1}')
    await settled(db, parent)
    daemon.wait_for("job.completed", job_name="succeed")  # no outcome waits to be written
    proxy.go_silent()
    assert daemon.stop() == 0


async def test_stop_asked_for_during_the_start_is_obeyed(start_daemon: NewDaemon, proxy: Proxy) -> None:
    refuse(proxy)
    daemon = start_daemon(proxy=proxy)
    daemon.wait_for("database.unreachable")
    assert daemon.stop() == 0
    assert not daemon.events("daemon.ready")


async def test_unresponsive_host_of_a_dsn_is_skipped(
    db: Connection,
    start_daemon: NewDaemon,
    proxy: Proxy,
    dsn: str,
    server: EmbeddedServer,
    portal: BlockingPortal,
) -> None:
    """The first of two hosts accepts connections and never answers, as a machine that hangs."""
    proxy.go_silent()
    live = portal.call(Proxy.start, server.socket_directory)
    hosts = f"127.0.0.1:{proxy.port},127.0.0.1:{live.port}"
    daemon = start_daemon(to=f"postgresql://postgres@{hosts}{urlsplit(dsn).path}").ready()
    assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"
    assert daemon.stop() == 0
    portal.call(live.stop)
