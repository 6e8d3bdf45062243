"""The logs: one event for each transition, stable keys, no secrets."""

import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from asyncjobd.observability.logging.console import Console
from asyncjobd.observability.logging.journal import Journal, entry
from asyncjobd.observability.logging.json_lines import JsonLines
from asyncjobd.observability.logging.writer import Stream, Writer
from tests.actions import bad_input_handlers
from tests.conftest import NewDaemon
from tests.observability import logging_handlers
from tests.observability.logging_handlers import logs
from tests.support.actions import COMMON, Actions, action, actions_of
from tests.support.daemon import DEADLINE, DaemonProcess, write_config
from tests.support.jobs import Connection, insert, running, set_status, settled, unowned

pytestmark = pytest.mark.anyio

KEYS = {
    "timestamp",
    "level",
    "event",
    "job_id",
    "job_name",
    "execution_count",
    "outcome",
    "duration",
    "waited",
    "status",
}


@pytest.fixture(scope="module")
def actions() -> Actions:
    return COMMON | actions_of(logging_handlers, bad_input_handlers)


async def test_each_execution_logs_one_final_event(db: Connection, daemon: DaemonProcess) -> None:
    params = '{"answers": ["retry_soon", "exception", "success"], "password": "hidden"}'
    job = await settled(db, await insert(db, "answer", params, retry_interval="interval '10 ms'"))
    daemon.wait_for("job.completed", job_id=job["id"])
    ends = [e for e in daemon.events(job_id=job["id"]) if e["event"] != "job.started"]
    assert [(e["event"], e["execution_count"]) for e in ends] == [
        ("job.retries", 1),
        ("job.retries", 2),
        ("job.completed", 3),
    ]
    assert all(KEYS <= event.keys() for event in ends)
    assert ends[1]["traceback"].startswith("Traceback (most recent call last):")
    assert "RuntimeError: as asked" in ends[1]["traceback"]
    unfit = await settled(db, await insert(db, "weighs", '{"grams": "hidden", "password": "hidden"}'))
    daemon.wait_for("job.failed", job_id=unfit["id"])
    assert "hidden" not in daemon.log.read_text()


async def test_stop_is_logged_with_the_clients_status(db: Connection, daemon: DaemonProcess) -> None:
    job_id = await insert(db, "block")
    await running(db, job_id)
    await set_status(db, job_id, "Hold")
    await unowned(db, job_id, "Hold")
    assert daemon.wait_for("job.stopped", job_id=job_id)["status"] == "Hold"


async def test_start_and_stop_of_the_daemon_are_logged(start_daemon: NewDaemon) -> None:
    daemon = start_daemon().ready()
    assert daemon.wait_for("daemon.ready")["pid"] == daemon.pid
    assert daemon.stop() == 0
    assert [e["event"] for e in daemon.events()][-2:] == ["daemon.stopping", "daemon.stopped"]
    assert daemon.errors.read_text() == ""


@pytest.mark.parametrize("handler", ["logs", "logs_in_thread"])
async def test_lines_of_a_handler_carry_its_job(db: Connection, daemon: DaemonProcess, handler: str) -> None:
    job_id = await insert(db, handler)
    daemon.wait_for("job.completed", job_id=job_id)
    expected = {"logs": {"by structlog", "by logging", "by the context"}, "logs_in_thread": {"in a thread"}}[
        handler
    ]
    lines = [event for event in daemon.events(job_id=job_id) if not event["event"].startswith("job.")]
    assert {line["event"] for line in lines} == expected
    assert all((line["job_name"], line["execution_count"]) == (handler, 1) for line in lines)


async def test_each_action_has_its_level(db: Connection, start_daemon: NewDaemon) -> None:
    actions = {
        "quiet": action(logs, log_level="warning"),
        "usual": action(logs),
        "loud": action(logs, log_level="debug"),
    }
    daemon = start_daemon(actions=actions, logging={"level": "info"}).ready()
    logged = {}
    for name in actions:
        job_id = await insert(db, name)
        await settled(db, job_id)
        logged[name] = job_id
    daemon.wait_for("job.completed", job_name="loud")
    assert daemon.stop() == 0
    assert {
        name: [event["event"] for event in daemon.events(job_id=job_id)] for name, job_id in logged.items()
    } == {
        "quiet": ["by logging"],
        "usual": ["by structlog", "by logging", "job.completed"],
        "loud": ["job.started", "by structlog", "by logging", "by the context", "job.completed"],
    }


async def test_stalled_log_reader_holds_up_no_job_and_dropped_lines_are_counted(
    db: Connection, dsn: str, tmp_path: Path, actions: Actions
) -> None:
    """An unread pipe holds 64 kB, and the daemon's buffer 4 MB; 40,000 lines are more."""
    reader, writer = os.pipe()
    command = [
        sys.executable,
        "-m",
        "asyncjobd",
        "--config",
        str(write_config(tmp_path, dsn, actions)),
        "run",
    ]
    with subprocess.Popen(["setpriv", "--pdeathsig=KILL", *command], stdout=writer) as daemon:
        os.close(writer)
        for _ in range(4):
            await settled(db, await insert(db, "chatters", '{"lines": 10000, "seconds": 0}'))
        assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"
        daemon.terminate()
        with os.fdopen(reader) as log:
            text = log.read()
        assert daemon.wait(DEADLINE) == 0
    lines = text.count("a line like any other")
    (lost,) = [json.loads(line)["lines"] for line in text.splitlines() if '"log.lost"' in line]
    assert 0 < lines < 40_000
    assert lost >= 40_000 - lines


async def test_unread_log_does_not_keep_the_daemon_from_stopping(
    db: Connection, dsn: str, tmp_path: Path, actions: Actions
) -> None:
    reader, writer = os.pipe()
    command = [
        sys.executable,
        "-m",
        "asyncjobd",
        "--config",
        str(write_config(tmp_path, dsn, actions)),
        "run",
    ]
    with subprocess.Popen(["setpriv", "--pdeathsig=KILL", *command], stdout=writer) as daemon:
        os.close(writer)
        await settled(db, await insert(db, "chatters", '{"lines": 10000, "seconds": 0}'))
        daemon.terminate()
        assert daemon.wait(DEADLINE) == 0
        os.close(reader)


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("as asked")


ODD = [ValueError("odd"), "caf\udce9", {"name": ["\udce9"]}, 2**70, None, Unprintable()]


@pytest.mark.parametrize("render", [JsonLines(), Console(), entry])
@pytest.mark.parametrize("odd", ODD)
def test_value_that_cannot_be_shown_fails_no_handler_that_logs_it(render: Any, odd: Any) -> None:
    assert b"odd" in render(None, "info", {"level": "info", "event": odd, "odd": "odd"})
    assert b"an event" in render(None, "info", {"level": "info", "event": "an event", "odd": odd})


@pytest.mark.parametrize("keys", [{"traceback": 5}, {"exception": True}, {"stack": Unprintable()}])
def test_key_that_has_a_meaning_for_terminals_fails_no_handler_that_uses_it(keys: dict[str, Any]) -> None:
    assert b"an event" in Console()(None, "info", {"level": "info", "event": "an event", **keys})


def test_odd_logging_calls_of_a_library_fail_nothing(tmp_path: Path) -> None:
    """It logs at its own level, with arguments that do not fit. Handlers that others added to the root stay."""
    script = """
import logging
from asyncjobd.config.model import LoggingConfig
from asyncjobd.observability.logging import setup as logs
logs.configure(LoggingConfig(format="json"))
logging.getLogger().addHandler(logging.FileHandler("added"))
logs.set_levels("info", {})
logging.getLogger("lib").log(25, "a notice")
logging.getLogger("lib").warning("%d %d", 1)
"""
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert [(line["level"], line["event"]) for line in map(json.loads, ran.stdout.splitlines())] == [
        ("info", "a notice")
    ]
    assert (tmp_path / "added").read_text() == "a notice\n"


def test_line_logged_by_a_finaliser_inside_another_does_not_deadlock() -> None:
    """The garbage collector may run a finaliser while a lock is held."""
    reader, descriptor = os.pipe()
    writer = Writer(Stream(descriptor), lambda count: b"")

    class Collected(bytes):
        def __len__(self) -> int:
            writer.put(b"finaliser\n")
            return super().__len__()

    thread = threading.Thread(target=writer.put, args=(Collected(b"usual\n"),), daemon=True)
    thread.start()
    thread.join(DEADLINE)
    assert not thread.is_alive()
    writer.close()
    os.close(descriptor)
    with os.fdopen(reader) as log:
        assert sorted(log) == ["finaliser\n", "usual\n"]


def test_lines_of_a_forked_child_are_written_once() -> None:
    """The writer's thread does not exist in a forked child."""
    script = """
import os, time
import structlog
from asyncjobd.config.model import LoggingConfig
from asyncjobd.observability.logging import setup as logs
logs.configure(LoggingConfig(format="json"))
with logs._writer._filled:  # as another thread may have it
    structlog.get_logger().info("parent")
    if os.fork() == 0:
        structlog.get_logger().info("child")
        raise SystemExit
os.wait()
"""
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=DEADLINE
    )
    assert sorted(json.loads(line)["event"] for line in ran.stdout.splitlines()) == ["child", "parent"]


def test_nonblocking_pipe_causes_no_busy_loop() -> None:
    reader, descriptor = os.pipe()
    os.set_blocking(descriptor, False)
    text = b"x" * 1_000_000 + b"\n"
    began_at = time.thread_time()
    received: list[bytes] = []

    def read_all() -> None:
        with os.fdopen(reader, "rb") as log:
            received.append(log.read())

    read = threading.Timer(1, read_all)
    read.start()
    assert Stream(descriptor).write([text]) == []
    assert time.thread_time() - began_at < 0.05
    os.close(descriptor)
    read.join()
    assert received == [text]


def test_dropped_lines_are_counted_once_and_the_next_line_is_whole(tmp_path: Path) -> None:
    """A full disk takes a part of a line."""
    script = """
import os, resource, signal, sys
from asyncjobd.observability.logging.writer import Stream
log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
stream = Stream(log)
resource.setrlimit(resource.RLIMIT_FSIZE, (25, resource.RLIM_INFINITY))
(rest,) = stream.write([b"line one\\n", b"line two\\n", b"line three\\n", b"line four\\n"])
assert stream.lines(rest) == 2, rest
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert stream.write([b"line five\\n"]) == []
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    assert (tmp_path / "log").read_text() == "line one\nline two\nline th\nline five\n"


def test_entry_of_the_journal_has_a_field_for_each_key() -> None:
    event = {
        "level": "error",
        "event": "job.failed",
        "job_id": 42,
        "message": "one\ntwo",
        "odd-key": [1],
        "no": None,
    }
    fields = entry(None, "error", event)
    assert fields.startswith(b"PRIORITY=3\nSYSLOG_IDENTIFIER=asyncjobd\n")
    assert b"ASYNCJOBD_EVENT=job.failed\nASYNCJOBD_JOB_ID=42\n" in fields
    assert b"ASYNCJOBD_MESSAGE\n" + struct.pack("<Q", 7) + b"one\ntwo\n" in fields
    assert b"ASYNCJOBD_ODD_KEY=[1]\n" in fields
    assert b"ASYNCJOBD_NO" not in fields


def test_entry_that_is_too_large_for_a_message_goes_as_a_file(tmp_path: Path) -> None:
    address = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(address)
        small, large = b"MESSAGE=small\n", b"MESSAGE=" + b"x" * 20_000_000 + b"\n"
        journal = Journal(address)
        journal.write([small, large])
        journal._socket.close()
        assert server.recv(100) == small
        data, descriptors, _, _ = socket.recv_fds(server, 100, 1)
        assert data == b""
        with os.fdopen(descriptors[0], "rb") as file:
            file.seek(0)
            assert file.read() == large
