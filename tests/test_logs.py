"""The logs: one event a transition, stable keys, nothing secret."""

import pytest

from tests.conftest import NewDaemon
from tests.support.daemon import DaemonProcess
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


async def test_one_terminal_event_an_execution(db: Connection, daemon: DaemonProcess) -> None:
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
