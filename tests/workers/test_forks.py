"""A process forked by a handler is separate: neither signals to it nor its actions reach the daemon."""

import asyncio
import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.conftest import NewDaemon
from tests.support.actions import ISOLATED, action, actions_of
from tests.support.commands import bash
from tests.support.daemon import DEADLINE, DaemonProcess
from tests.support.handlers import succeed
from tests.support.jobs import Connection, insert, settled
from tests.support.workers import is_alive, others_complete, reported, until_true
from tests.workers import forks_handlers

pytestmark = pytest.mark.anyio

TAKEN = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
WAYS = ("{}", "{}_in_loop", "isolated_{}", "isolated_{}_in_loop")


@pytest.fixture
def daemon(start_daemon: NewDaemon) -> DaemonProcess:
    actions = actions_of(forks_handlers, max_execution_count=1)
    actions |= {f"isolated_{name}": keys | ISOLATED for name, keys in actions.items()}
    actions |= {"succeed": action(succeed), "true": bash("true")}
    return start_daemon(actions=actions).ready()


async def result(db: Connection, name: str, **params: Any) -> Any:
    job = await settled(db, await insert(db, name, json.dumps(params)))
    assert job["status"] == "Completed", (job["message"], job["traceback"])
    return json.loads(job["result"])


async def has_not_noticed(db: Connection, daemon: DaemonProcess) -> None:
    await others_complete(db, daemon)
    assert not daemon.events("daemon.stopping")
    assert not daemon.events("config.reloaded")


@pytest.mark.parametrize("child", ["sleeps", "handles_signals"])
async def test_signal_to_a_forked_process_reaches_that_alone(
    db: Connection, daemon: DaemonProcess, child: str
) -> None:
    for way in WAYS:
        for number in TAKEN:
            codes = await result(db, way.format("signals"), child=child, times=20, signal=number)
            assert codes == [-number if child == "sleeps" else 100 + number] * 20, way
        await has_not_noticed(db, daemon)


async def test_forked_process_has_no_signal_handler_of_the_daemon(
    db: Connection, daemon: DaemonProcess
) -> None:
    """Not even of SIGCHLD, which the event loop handles once it has started a program."""
    await settled(db, await insert(db, "true"))
    for way in WAYS:
        for by in ("multiprocessing", "os.fork", "preexec_fn"):
            assert await result(db, way.format("inherits"), by=by) == [], (way, by)
    await has_not_noticed(db, daemon)


async def test_forked_process_that_comes_back_ends_and_does_not_go_on_as_the_daemon(
    db: Connection, daemon: DaemonProcess
) -> None:
    for way in WAYS:
        for end, code in {"returns": 0, "raises": 1, "exits": 3}.items():
            assert await result(db, way.format("comes_back"), end=end) == code, (way, end)
    assert not await db.fetchval("select count(*) from asyncjob.job where message = 'by the child'")
    await has_not_noticed(db, daemon)


async def test_forked_process_that_comes_back_leaves_the_embedded_server(
    start_daemon: NewDaemon, tmp_path: Path, postgres_bin: Path
) -> None:
    actions = {"comes_back_in_loop": action(forks_handlers.comes_back_in_loop)}
    daemon = start_daemon(to="", actions=actions)
    daemon.stop(signal.SIGKILL)
    database = f'[database]\ndata_directory = "{tmp_path / "pg"}"\npostgres_bin = "{postgres_bin}"\n'
    text = daemon.config.read_text()
    daemon.config.write_text(database + text[text.index("\n[daemon]") :])
    daemon = DaemonProcess(daemon.config).ready()
    db = await asyncpg.connect(daemon.events("database.embedded")[0]["dsn"])
    for end in ("returns", "raises", "exits"):
        await result(db, "comes_back_in_loop", end=end)
    await db.close()
    assert daemon.stop() == 0


async def test_lines_of_a_forked_process_are_logged_once(db: Connection, daemon: DaemonProcess) -> None:
    job_id = await insert(db, "logs", '{"times": 100, "size": 100}')
    assert (await settled(db, job_id))["status"] == "Completed"
    daemon.wait_for("job.completed", job_id=job_id)
    for event in ("by structlog", "by logging 7", "by the context"):
        assert len(daemon.events(event, job_id=job_id)) == (200 if event == "by structlog" else 2)
    await has_not_noticed(db, daemon)


async def test_lines_of_a_process_forked_by_an_isolated_handler_do_not_garble_its_answers(
    db: Connection, daemon: DaemonProcess
) -> None:
    job_id = await insert(db, "isolated_logs", '{"times": 200, "size": 20000}')
    job = await settled(db, job_id)
    assert job["status"] == "Completed", job["message"]
    daemon.wait_for("job.completed", job_id=job_id)
    assert len(daemon.events("by structlog", job_id=job_id)) == 200
    printed = [event["line"] for event in daemon.events("worker.printed", job_id=job_id)]
    assert sum("by structlog" in line for line in printed) == 200
    assert sum("by the context" in line for line in printed) == 1


async def test_forked_process_that_outlives_the_daemon_holds_nothing_of_it(
    db: Connection, start_daemon: NewDaemon
) -> None:
    """It keeps open no session with its locks, no port, and no program that the daemon has started."""
    await db.execute("create table effect (n integer); insert into effect values (0)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
    actions = {
        "leaves_a_process": action(forks_handlers.leaves_a_process),
        "program": bash("echo $$; sleep 3600"),
    }
    daemon = start_daemon(actions=actions, metrics={"listen": f"127.0.0.1:{address[1]}"}).ready()
    daemon.wait_for("metrics.served")
    await insert(db, "program")
    program = int(daemon.wait_for("command.output")["line"])
    child = int(await reported(db, await insert(db, "leaves_a_process")))
    try:
        daemon.stop(signal.SIGKILL)
        assert is_alive(child)
        async with asyncio.timeout(DEADLINE):
            await db.execute("update effect set n = n + 1")
            while await db.fetchval(
                "select count(*) from pg_stat_activity"
                " where application_name like 'asyncjobd %' and datname = current_database()"
            ):
                await asyncio.sleep(0.01)
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(address)
        await until_true(lambda: not is_alive(program))
    finally:
        os.kill(child, signal.SIGKILL)
