"""The application of howto/fastapi inserts jobs in the transaction of a request, and has the page mounted."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from tests.docs.snippets import named
from tests.support.daemon import DEADLINE, DaemonProcess

PATIENCE = 60  # seconds for a request; the first one waits until the application has started


@pytest.fixture(scope="module")
def served(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The application, and a daemon with the handlers and the configuration of howto/handlers."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "my_handlers.py").write_text(named("handlers").text)
    (folder / "config.toml").write_text(named("handlers-config").text)
    (folder / "shop.py").write_text(named("fastapi").text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASYNCJOBD_DSN", module_dsn)
        DaemonProcess(folder / "config.toml").ready()
    with psycopg.connect(module_dsn) as connection:
        connection.execute("create table invoice (id integer primary key)")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "--log-level=error", f"--fd={listening.fileno()}", "shop:app"],
            cwd=folder, env={**os.environ, "DATABASE_URL": module_dsn}, pass_fds=[listening.fileno()],
        )  # fmt: skip
        port = listening.getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
        yield client  # the socket listens already: the first request waits for the application
    process.terminate()
    process.wait(DEADLINE)
    DaemonProcess.kill_all()


def test_job_of_a_request_runs(served: httpx.Client) -> None:
    job_id = served.post("/invoices/1", params={"to": "a@b.c"}).raise_for_status().json()["job"]
    deadline = time.monotonic() + DEADLINE
    while (job := served.get(f"/sent/{job_id}").json())["status"] != "Completed":
        assert time.monotonic() < deadline, job
        time.sleep(0.01)
    assert job["message"] == "sent to a@b.c"


def test_failed_request_inserts_nothing(served: httpx.Client, module_dsn: str) -> None:
    assert served.post("/invoices/2", params={"to": "nobody"}).status_code == 422
    with psycopg.connect(module_dsn) as connection:
        left = connection.execute(
            "select count(*) from asyncjob.job where params ->> 'to' = 'nobody'"
            " union all select count(*) from invoice where id = 2"
        ).fetchall()
    assert left == [(0,), (0,)]


def test_page_is_mounted(served: httpx.Client) -> None:
    assert served.get("/jobs/").status_code == 403
    seen = served.get("/jobs/", headers={"x-user": "ann"})
    assert seen.status_code == 200
    assert "EmailSender" in seen.text
