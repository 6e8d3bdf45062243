"""The process of the page: its sockets, its service manager, its end, and what it says where it cannot start."""

import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from tests.cli.commands import run
from tests.conftest import NewDatabase
from tests.support.daemon import DEADLINE
from tests.support.service_manager import ServiceManager
from tests.support.web import TCP, WebProcess, web_config

LONGEST_STOP = 3.0  # seconds; requests have one


@pytest.fixture
def config(dsn: str, open_folder: Path) -> Path:
    return web_config(open_folder, dsn)


@pytest.fixture
def manager() -> Iterator[ServiceManager]:
    manager = ServiceManager()
    yield manager
    manager.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_at_once_whoever_is_connected(config: Path, number: int) -> None:
    page = WebProcess(config).ready()
    idle, asking, half = (page.connected(TCP) for _ in range(3))
    asking.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    asking.recv(10)
    half.sendall(b"GET / HTTP/1.1\r\nHost:")
    began_at = monotonic()
    assert page.stop(number) == 0
    assert monotonic() - began_at < LONGEST_STOP
    assert page.errors.read_text() == ""
    assert page.events("web.stopped")
    for connection in (idle, asking, half):
        connection.close()


def test_service_manager_is_told(config: Path, manager: ServiceManager) -> None:
    page = WebProcess(config, WATCHDOG_USEC="3000000", **manager.environment).ready()
    manager.wait_for(lambda message: "READY=1" in message)
    manager.wait_for(lambda message: "WATCHDOG=1" in message)
    page.stop()
    manager.wait_for(lambda message: "STOPPING=1" in message)


def test_sockets_of_the_service_manager_are_used(config: Path, open_folder: Path) -> None:
    """As systemd passes them: from descriptor 3 on, with the pid in the environment."""
    path = open_folder / "passed"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        script = (
            "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1');"
            "os.execv(sys.executable, [sys.executable, '-m', 'asyncjobd', *sys.argv[2:]])"
        )
        command = [sys.executable, "-c", script, str(listener.fileno()), "--config", str(config), "web"]
        process = subprocess.Popen(command, pass_fds=[listener.fileno(), 3], stdout=subprocess.PIPE)
        assert process.stdout is not None
        lines = iter(process.stdout.readline, b"")
        assert any(b'"web.ready"' in line and str(path).encode() in line for line in lines)
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(DEADLINE)
        client.connect(str(path))
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        client.close()
        process.terminate()
        assert process.wait(DEADLINE) == 0
        process.stdout.close()


def test_socket_of_a_page_that_was_killed_is_replaced(config: Path) -> None:
    killed = WebProcess(config).ready()
    killed.stop(signal.SIGKILL)
    assert killed.path.exists()
    page = WebProcess(config).ready()
    assert page.ask().status == 200
    assert page.path.stat().st_mode & 0o777 == 0o666


def test_socket_of_a_page_that_runs_is_left_alone(config: Path) -> None:
    page = WebProcess(config).ready()
    refused = run(config, "web", "--socket", str(page.path))
    assert refused.returncode == 78
    assert f"{page.path}: another `asyncjobd web` serves it" in refused.stderr
    assert page.ask().status == 200


def test_file_in_place_of_the_socket_is_left_alone(config: Path, open_folder: Path) -> None:
    path = open_folder / "file"
    path.write_text("mine")
    refused = run(config, "web", "--socket", str(path))
    assert refused.returncode == 78
    assert f"{path}: no socket can be made here: Address already in use" in refused.stderr
    assert path.read_text() == "mine"


def test_address_that_is_in_use_is_named(dsn: str, open_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        refused = run(web_config(open_folder, dsn, listen=listen), "web", "--socket", str(open_folder / "s"))
    assert refused.returncode == 78
    assert f"[web] listen: {listen}: Address already in use" in refused.stderr


def test_without_listen_there_is_only_the_socket(dsn: str, open_folder: Path) -> None:
    page = WebProcess(web_config(open_folder, dsn, listen="")).ready()
    assert page.address == ""
    assert page.ask().status == 200
    refused = page.ask("/link", method="POST")
    assert (refused.status, refused.text) == (409, "[web] listen is empty, and a link would lead nowhere\n")


def test_page_starts_before_its_database(open_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nothing:
        port = nothing.getsockname()[1]
    page = WebProcess(web_config(open_folder, f"postgresql://postgres@127.0.0.1:{port}/postgres")).ready()
    page.wait_for("database.away", part="web")
    assert page.ask().status == 503


def test_schema_of_another_version_is_told(open_folder: Path, new_empty_database: NewDatabase) -> None:
    config = web_config(open_folder, new_empty_database())
    refused = run(config, "web", "--socket", str(open_folder / "s"))
    assert refused.returncode == 1
    assert "run `asyncjobd migrate`" in refused.stderr


def test_terminal_gets_a_link(config: Path, open_folder: Path) -> None:
    reader, terminal = pty.openpty()
    path = str(open_folder / "s")
    command = [sys.executable, "-m", "asyncjobd", "--config", str(config), "web", "--socket", path]
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    printed = b""
    while b"Open within a minute, once: http://127.0.0.1:" not in printed:
        printed += os.read(reader, 4096)
    assert "http://127.0.0.1:" in run(config, "web", "link", "--socket", path).stdout  # and so it serves
    process.terminate()
    assert process.wait(DEADLINE) == 0
    os.close(reader)


def test_without_the_extra_it_says_what_to_install(config: Path, tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError(\"No module named 'uvicorn'\")")
    refused = run(config, "web", PYTHONPATH=f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    assert refused.returncode == 78
    assert "No module named 'uvicorn': pip install 'asyncjobd[web]'" in refused.stderr
