"""The metrics, as Prometheus scrapes them, and the unit's status."""

import asyncio
import json
import os
import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from asyncjobd import __version__
from tests.conftest import NewDaemon
from tests.faults.proxy import Proxy
from tests.support.daemon import DEADLINE, DaemonProcess, asyncjobd, write_config
from tests.support.jobs import Connection, insert, running, settled
from tests.support.service_manager import ServiceManager

pytestmark = pytest.mark.anyio

DASHBOARD = Path(__file__).parents[2] / "systemd" / "grafana-dashboard.json"
LISTEN = {"listen": "127.0.0.1:0"}


class Scrape:
    """The metrics of a daemon at one moment."""

    def __init__(self, daemon: DaemonProcess) -> None:
        address = daemon.wait_for("metrics.served")["address"]
        with urlopen(f"http://{address}/metrics", timeout=DEADLINE) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        self.samples = [sample for family in families for sample in family.samples]

    def __repr__(self) -> str:
        return str(
            [(s.name, s.labels, s.value) for s in self.samples if s.value and not s.name.endswith("_bucket")]
        )

    def all(self, name: str, **labels: str) -> list[float]:
        """Return the values of a metric with these labels, among others."""
        return [s.value for s in self.samples if s.name == name and labels.items() <= s.labels.items()]

    def __call__(self, name: str, **labels: str) -> float | None:
        """Return the only such value, or None."""
        values = self.all(f"asyncjobd_{name}", **labels)
        assert len(values) <= 1, f"{name} {labels}: {values}"
        return values[0] if values else None


async def scraped(daemon: DaemonProcess, condition: Callable[[Scrape], Any]) -> Scrape:
    """Return the first scrape that meets the condition."""
    deadline = monotonic() + 3 * DEADLINE  # slow snapshots are taken less often
    while not condition(scrape := Scrape(daemon)):
        assert monotonic() < deadline, f"still {scrape}"
        await asyncio.sleep(0.05)
    return scrape


@pytest.fixture
def daemon(start_daemon: NewDaemon) -> DaemonProcess:
    return start_daemon(metrics=LISTEN).ready()


async def test_counts_agree_with_what_ran(db: Connection, daemon: DaemonProcess) -> None:
    jobs = [await insert(db, "succeed") for _ in range(5)]
    jobs.append(await insert(db, "raises", max_execution_count="1"))
    jobs.append(await insert(db, "answer", '{"answers": ["retry_soon", "success"]}'))
    jobs.append(await insert(db, "sleeps", '{"seconds": 0.1}'))
    for job_id in jobs:
        await settled(db, job_id)
    scrape = await scraped(daemon, lambda s: sum(s.all("asyncjobd_executions_total")) == 9)
    ends = {
        (s.labels["action"], s.labels["transition"]): s.value
        for s in scrape.samples
        if s.name == "asyncjobd_executions_total" and s.value
    }
    assert ends == {
        ("succeed", "completed"): 5,
        ("raises", "failed"): 1,
        ("answer", "retried"): 1,
        ("answer", "completed"): 1,
        ("sleeps", "completed"): 1,
    }
    for name in ("wait", "run"):
        assert scrape(f"{name}_seconds_count", action="answer") == 2
        assert scrape(f"{name}_seconds_bucket", action="answer", le="+Inf") == 2
    took = scrape("run_seconds_sum", action="sleeps")
    assert took is not None and took >= 0.099  # uvloop counts whole milliseconds
    for sample in scrape.samples:
        if sample.name == "asyncjobd_run_seconds_bucket" and sample.labels["action"] == "sleeps":
            assert sample.value == (took < float(sample.labels["le"]))
    assert scrape("build_info", version=__version__) == 1
    assert (scrape("slots"), scrape("database_up"), scrape("database_outages_total")) == (100, 1, 0)
    assert scrape.all("process_resident_memory_bytes")[0] > 1e7


async def test_counters_of_an_action_are_zero_before_its_first_job(daemon: DaemonProcess) -> None:
    """Prometheus sees no increase in a counter that begins at 1."""
    scrape = Scrape(daemon)
    assert scrape("executions_total", action="raises", transition="failed") == 0
    assert scrape("run_seconds_count", action="raises") == 0


async def test_queue_is_sampled_while_jobs_end(db: Connection, daemon: DaemonProcess) -> None:
    scrape = await scraped(daemon, lambda s: s("jobs", action="asleep", state="ready") == 0)
    assert scrape("oldest_ready_seconds", action="asleep") == 0
    await insert(db, "asleep")
    await insert(db, "succeed", status="'Hold'")
    await insert(db, "succeed", schedule_time="now() + interval '1 day'")
    await insert(db, "block")
    await settled(db, await insert(db, "raises", max_execution_count="1"))
    first = await scraped(daemon, lambda s: s("jobs", action="asleep", state="ready") == 1)
    assert first("jobs", action="succeed", state="held") == 1
    assert first("jobs", action="succeed", state="queued") == 1
    assert first("jobs", action="block", state="running") == 1
    assert first("jobs", action="raises", state="failed") == 1
    assert first("slots_in_use") == 1
    assert first("dead_rows", table="job") is not None
    lag = first("oldest_ready_seconds", action="asleep")
    assert lag is not None and lag > 0
    await settled(db, await insert(db, "succeed"))
    await scraped(daemon, lambda s: (s("oldest_ready_seconds", action="asleep") or 0) > lag + 4)


async def test_limit_that_is_reached_is_a_gauge(db: Connection, daemon: DaemonProcess) -> None:
    await db.execute("update asyncjob.action set max_running = 1 where name in ('block', 'sleeps')")
    await running(db, await insert(db, "block"))
    await settled(db, await insert(db, "succeed"))  # an end lets it look soon
    scrape = await scraped(daemon, lambda s: s("action_saturated", action="block") == 1)
    assert scrape("action_saturated", action="sleeps") == 0
    assert scrape("action_saturated", action="succeed") is None
    assert scrape("jobs", action="block", state="running") == 1


async def test_jobs_that_wait_for_others_are_counted(db: Connection, daemon: DaemonProcess) -> None:
    held = await insert(db, "sleeps", status="'Hold'")
    for _ in range(3):
        await insert(db, "succeed", waits_for=f"array[{held}]::bigint[]")
    await insert(db, "succeed", schedule_time="now() + interval '1 day'")
    await settled(db, await insert(db, "raises", max_execution_count="1"))  # an end lets it look soon
    scrape = await scraped(daemon, lambda s: s("jobs", action="succeed", state="queued") == 4)
    assert scrape("waiting_jobs", action="succeed") == 3
    assert scrape("waiting_jobs", action="sleeps") == 0


async def test_idle_daemon_does_not_sample_the_queue(db: Connection, daemon: DaemonProcess) -> None:
    await scraped(daemon, lambda s: (s("queue_snapshot_age_seconds") or 0) > 7)  # a busy one looks every 5 s
    await settled(db, await insert(db, "succeed"))
    await scraped(daemon, lambda s: (s("queue_snapshot_age_seconds") or 0) < 5)


async def test_queue_is_not_sampled_where_nothing_shows_the_samples(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon().ready()
    await settled(db, await insert(db, "succeed"))
    assert not await db.fetchval(
        "select count(*) from pg_stat_activity where application_name = 'asyncjobd queue sampler'"
    )


async def test_transaction_that_holds_up_the_vacuum_is_seen(db: Connection, start_daemon: NewDaemon) -> None:
    async with db.transaction(isolation="repeatable_read"):
        await db.fetchval("select count(*) from asyncjob.job")
        await asyncio.sleep(0.1)  # what is measured
        daemon = start_daemon(metrics=LISTEN).ready()
        scrape = await scraped(daemon, lambda s: s("queue_snapshot_age_seconds") is not None)
        age = scrape("oldest_snapshot_seconds")
        assert age is not None and age > 0.1


async def test_each_scrape_under_load_is_consistent(db: Connection, daemon: DaemonProcess) -> None:
    await db.execute("insert into asyncjob.job (job_name) select 'succeed' from generate_series(1, 20000)")
    scrape, before = Scrape(daemon), 0.0
    while before < 20000:
        buckets = scrape.all("asyncjobd_run_seconds_bucket", action="succeed")
        assert buckets == sorted(buckets)
        count = scrape("run_seconds_count", action="succeed")
        assert count == buckets[-1] >= before
        before, scrape = count, await asyncio.to_thread(Scrape, daemon)
    assert scrape("executions_total", action="succeed", transition="completed") == 20000


async def test_scrape_while_the_database_is_away_is_answered(
    db: Connection, start_daemon: NewDaemon, proxy: Proxy
) -> None:
    daemon = start_daemon(proxy=proxy, lease="3 s", metrics=LISTEN).ready()
    await settled(db, await insert(db, "succeed"))
    await scraped(daemon, lambda s: s("executions_total", action="succeed", transition="completed") == 1)
    proxy.refuses = True
    proxy.reset()
    daemon.wait_for("lease.unsure")
    scrape = Scrape(daemon)
    assert scrape("executions_total", action="succeed", transition="completed") == 1
    assert (scrape("database_up"), scrape("database_outages_total"), scrape("lost_leases_total")) == (0, 1, 1)
    proxy.heal()
    await scraped(daemon, lambda s: s("database_up") == 1 and s("database_outages_total") == 1)


async def test_jobs_of_a_daemon_that_was_killed_count_as_rescued(
    db: Connection, start_daemon: NewDaemon
) -> None:
    killed = start_daemon(name="killed").ready()
    await running(db, await insert(db, "block"))
    daemon = start_daemon(metrics=LISTEN).ready()
    killed.stop(signal.SIGKILL)
    await scraped(daemon, lambda s: s("rescued_jobs_total") == 1)


async def test_outcome_without_a_row_counts_as_disowned(
    db: Connection, daemon: DaemonProcess, tmp_path: Path
) -> None:
    job_id = await insert(db, "block")
    await running(db, job_id)
    await db.execute("delete from asyncjob.job where id = $1", job_id)
    await scraped(daemon, lambda s: s("disowned_outcomes_total") == 1)


async def test_metrics_address_in_use_is_reported_and_tried_again(
    db: Connection, start_daemon: NewDaemon
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        daemon = start_daemon(metrics={"listen": address}).ready()
        assert "in use" in daemon.wait_for("metrics.unavailable", address=address)["reason"]
        await settled(db, await insert(db, "succeed"))
    assert daemon.wait_for("metrics.served")["address"] == address
    await scraped(daemon, lambda s: s("executions_total", action="succeed", transition="completed") == 1)
    assert daemon.stop() == 0


async def test_metrics_host_that_does_not_resolve_ends_no_daemon(
    db: Connection, start_daemon: NewDaemon
) -> None:
    listen = f"{'x' * 64}.invalid:9464"  # no resolver takes a label that long
    daemon = start_daemon(metrics={"listen": listen}).ready()
    daemon.wait_for("metrics.unavailable", address=listen)
    await settled(db, await insert(db, "succeed"))
    assert daemon.stop() == 0


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this kernel has no IPv6")
async def test_daemon_that_was_scraped_stops_cleanly(db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon(metrics={"listen": "[::1]:0"}).ready()
    assert Scrape(daemon)("slots") == 100
    assert daemon.stop() == 0
    assert daemon.errors.read_text() == ""


NOT_INSTALLED = """
import sys
class Finder:
    def find_spec(name, path, target=None):
        if name == "prometheus_client":
            raise ModuleNotFoundError(f"No module named {name!r}")
sys.meta_path.insert(0, Finder)
"""


@pytest.mark.parametrize("command", [["run"], ["config", "check"]], ids=" ".join)
def test_metrics_without_the_library_are_refused(dsn: str, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "sitecustomize.py").write_text(NOT_INSTALLED)
    path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    config = write_config(tmp_path, dsn, metrics=LISTEN)
    refused = asyncjobd("--config", str(config), *command, PYTHONPATH=path)
    assert refused.returncode == 78
    assert f"{config}: [metrics] listen: No module named 'prometheus_client'" in refused.stderr
    assert "pip install 'asyncjobd[metrics]'" in refused.stderr
    config.write_text(config.read_text().replace(LISTEN["listen"], ""))
    assert asyncjobd("--config", str(config), "config", "check", PYTHONPATH=path).returncode == 0


async def test_unit_status_shows_the_queue(
    db: Connection, start_daemon: NewDaemon, service_manager: ServiceManager
) -> None:
    await insert(db, "asleep")
    daemon = start_daemon(lease="15 s", environment=service_manager.environment)
    service_manager.wait_for(lambda message: message == "READY=1")
    await insert(db, "block")
    for _ in range(20):
        await settled(db, await insert(db, "succeed"))
    says = re.compile(r"STATUS=running 1/100, ready \d+, oldest ready \d+\.\d s, (\d+\.\d)/s")
    service_manager.wait_for(
        lambda message: (found := says.fullmatch(message)) is not None and float(found[1]) > 0
    )
    daemon.process.send_signal(signal.SIGTERM)
    service_manager.wait_for(lambda message: message.startswith("STATUS=stopping, running "))


def test_dashboard_asks_only_for_existing_metrics(daemon: DaemonProcess) -> None:
    text = DASHBOARD.read_text()
    dashboard = json.loads(text)
    assert not re.search(r"https?://", text)
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    asked = {name for expression in expressions for name in re.findall(r"\basyncjobd_\w+", expression)}
    deadline = monotonic() + DEADLINE
    while missing := asked - {sample.name for sample in Scrape(daemon).samples}:  # until the first survey
        assert monotonic() < deadline, f"nobody exports {missing}"
    assert len(expressions) > 10
