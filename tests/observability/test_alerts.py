"""The alert rules: each fires where that is really so, and says what to do."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncjobd.monitoring.documentation import pages
from tests.conftest import NewDaemon
from tests.docs.snippets import text_of
from tests.faults.proxy import Proxy
from tests.support.actions import action
from tests.support.daemon import DaemonProcess, write_config
from tests.support.handlers import block
from tests.support.jobs import Connection, as_engine, insert, running
from tests.support.prometheus import Prometheus, needs_prometheus

pytestmark = pytest.mark.anyio

RULES = Path(__file__).parents[2] / "systemd" / "prometheus-alerts.yaml"
CASES = Path(__file__).with_name("prometheus-alerts.test.yaml")
FOREVER = '{"seconds": 3600}'
# what cannot be waited for: the times that a state lasts, and ages that only pass
SHORTENED = [
    (r"for: \w+", "for: 0s"),
    (r"snapshot_seconds\) > 3600", "snapshot_seconds) > 0.1"),
    ("> 300", "> 0.1"),
]
OF_JOBS = {
    "AsyncjobdJobsFail",
    "AsyncjobdMostJobsFail",
    "AsyncjobdJobsLate",
    "AsyncjobdJobsStuck",
    "AsyncjobdLimitReached",
}
OF_QUEUE = {"AsyncjobdActionPaused", "AsyncjobdOldSnapshot", "AsyncjobdQueueUnseen"}
OF_DAEMONS = {"AsyncjobdJobsRescued", "AsyncjobdOutcomesDropped", "AsyncjobdLogLinesLost"}
OF_OUTAGES = {"AsyncjobdDatabaseAway", "AsyncjobdLeaseLost"}
OF_ENDS = {"AsyncjobdDown", "AsyncjobdGone"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def address() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def silent(dsn: str, address: str, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A daemon whose log cannot be written, with its metrics at the address."""
    config = write_config(tmp_path, dsn, name="silent", metrics={"listen": address})
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", sys.executable, "-m", "asyncjobd", "--config", str(config), "run"],
            stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def daemon(start_daemon: NewDaemon, proxy: Proxy) -> DaemonProcess:
    return start_daemon(name="blue", proxy=proxy, metrics={"listen": "127.0.0.1:0"}).ready()


@pytest.fixture
def prometheus(address: str, daemon: DaemonProcess, tmp_path: Path) -> Iterator[Prometheus]:
    folder = tmp_path / "prometheus"
    folder.mkdir()
    rules = RULES.read_text()
    for long, short in SHORTENED:
        rules, count = re.subn(long, short, rules)
        assert count
    targets = [address, daemon.wait_for("metrics.served")["address"]]
    prometheus = Prometheus(folder, free_port(), targets, rules)
    yield prometheus
    prometheus.close()


@needs_prometheus
async def test_each_alert_fires_at_a_real_fault(
    db: Connection,
    start_daemon: NewDaemon,
    silent: "subprocess.Popen[bytes]",
    daemon: DaemonProcess,
    prometheus: Prometheus,
    proxy: Proxy,
) -> None:
    killed = start_daemon(name="killed", actions={"cut_off": action(block)}).ready()
    await running(db, await insert(db, "cut_off"))
    prometheus.wait_for("count(asyncjobd_executions_total) > 0 and count(asyncjobd_slots) == 2")
    assert {
        rule["name"] for rule in prometheus.rules()
    } == OF_JOBS | OF_QUEUE | OF_DAEMONS | OF_OUTAGES | OF_ENDS

    await db.execute("update asyncjob.action set max_running = 1 where name = 'sleeps'")
    await db.execute("update asyncjob.action set paused_until = 'infinity' where name = 'succeed'")
    for _ in range(2):
        await insert(db, "sleeps", FOREVER)
    await insert(db, "asleep")
    await as_engine(db, "update asyncjob.job set due_at = now() - interval '1 hour' where daemon_id is null")
    for _ in range(20):
        await insert(db, "raises", max_execution_count="1")
    async with db.transaction(isolation="repeatable_read"):
        await db.fetchval("select count(*) from asyncjob.job")
        prometheus.wait_for_alerts(*OF_JOBS, *OF_QUEUE)

    killed.stop(signal.SIGKILL)
    deleted = await insert(db, "block")
    await running(db, deleted)
    await db.execute("delete from asyncjob.job where id = $1", deleted)
    prometheus.wait_for_alerts(*OF_DAEMONS)

    proxy.refuses = True
    proxy.reset()
    prometheus.wait_for_alerts(*OF_OUTAGES)

    silent.kill()
    daemon.stop(signal.SIGKILL)
    prometheus.wait_for_alerts(*OF_ENDS)


@needs_prometheus
def test_rules_hold_in_the_cases_that_need_hours() -> None:
    for command in (["check", "rules", str(RULES)], ["test", "rules", str(CASES)]):
        ran = subprocess.run(["promtool", *command], capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_each_alert_names_a_page_of_the_runbook() -> None:
    alerts = RULES.read_text().split("- alert: ")[1:]
    topics = {page.name for page in pages() if page.topic.startswith("runbook/")}
    for alert in alerts:
        name = alert.split()[0]
        for key in ("severity", "summary", "description", "runbook"):
            assert re.search(rf"^ +{key}: \S", alert, re.MULTILINE), (name, key)
        (topic,) = re.findall(r"runbook: asyncjobd help (\w+)$", alert, re.MULTILINE)
        assert topic in topics, name
    assert set(re.findall(r"`(Asyncjobd\w+)`", text_of("howto/prometheus"))) == {
        each.split()[0] for each in alerts
    }
