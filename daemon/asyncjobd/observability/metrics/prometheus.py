"""The metrics of this daemon, and the latest snapshot of the queue, for Prometheus.

Prometheus is served by threads of the HTTP server while the event loop goes on counting. Every number is read
once, so that a histogram is consistent in itself; two numbers of one scrape may differ by a job that ended in
between.
"""

from collections.abc import Callable, Iterator
from itertools import accumulate
from time import monotonic
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Metric, ProcessCollector, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.registry import Collector

from asyncjobd import __version__
from asyncjobd.actions.catalog import ActionCatalog
from asyncjobd.actions.controls import Controls
from asyncjobd.observability.logging import setup as logs
from asyncjobd.observability.metrics.counters import ActionMetrics, DaemonMetrics
from asyncjobd.observability.metrics.healthz import with_healthz
from asyncjobd.observability.metrics.histogram import Histogram
from asyncjobd.observability.metrics.queue_sampler import QueueSampler
from asyncjobd.observability.metrics.queue_snapshot import QueueSnapshot, StorageSnapshot
from asyncjobd.observability.slot_usage import SlotUsage
from asyncjobd.postgres.link import Link

# The buckets that are exported, with their upper bounds in seconds: every second one of Histogram, from 256
# microseconds to 19 hours.
EXPORTED_BUCKETS = [(number, str(2**number / 1e6)) for number in range(8, 37, 2)]


class PrometheusCollector(Collector):
    """A collector that reads the metrics of this daemon at each scrape."""

    def __init__(
        self,
        metrics: DaemonMetrics,
        catalog: ActionCatalog,
        slots: SlotUsage,
        sampler: QueueSampler,
        controls: Controls,
        link: Link,
    ) -> None:
        """Create the collector. The counters of an action of the catalog exist before its first job."""
        self._metrics = metrics
        self._catalog = catalog
        self._slots = slots
        self._sampler = sampler
        self._controls = controls
        self._link = link

    def serve(self, host: str, port: int, problem: Callable[[], str]) -> WSGIServer:
        """Start an HTTP server for these metrics and those of the process, CPU time, memory and open files, and for
        /healthz, which tells the `problem` if there is one.

        This may block for long, as the name of the host is resolved. Raise OSError if the address is not
        available.
        """
        registry = CollectorRegistry()
        registry.register(self)
        ProcessCollector(registry=registry)
        server, _ = start_http_server(port, host, registry)
        if (app := server.get_app()) is not None:
            server.set_app(with_healthz(app, problem))
        return server

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics; called by prometheus_client at each scrape."""
        snapshot = self._sampler.snapshot
        if snapshot is not None:
            yield from _queue(snapshot)
            if snapshot.storage is not None:
                yield from _storage(snapshot.storage)
        yield from self._executions()
        yield self._pauses()
        yield from self._daemon()

    def _executions(self) -> Iterator[Metric]:
        executions = CounterMetricFamily(
            "asyncjobd_executions",
            "Executions that ended in this daemon, by what their row became.",
            labels=["action", "transition"],
        )
        waits = HistogramMetricFamily(
            "asyncjobd_wait_seconds",
            "Time from when a job was due to the start of its handler in this daemon.",
            labels=["action"],
        )
        runs = HistogramMetricFamily("asyncjobd_run_seconds", "Time that a handler ran.", labels=["action"])
        for name in sorted({*self._catalog.served, *self._metrics.actions}):
            action = self._metrics.actions.get(name) or ActionMetrics()
            for transition, count in action.transitions.items():
                executions.add_metric([name, transition], count)
            waits.add_metric([name], _cumulative(action.wait_times), action.wait_times.sum_seconds)
            runs.add_metric([name], _cumulative(action.run_times), action.run_times.sum_seconds)
        yield from (executions, waits, runs)

    def _pauses(self) -> Metric:
        pauses = GaugeMetricFamily(
            "asyncjobd_action_paused", "1 while no job of the action is claimed, else 0.", labels=["action"]
        )
        for name in self._catalog.served_names:
            pauses.add_metric([name], int(name in self._controls.paused))
        return pauses

    def _daemon(self) -> Iterator[Metric]:
        metrics = self._metrics
        yield InfoMetricFamily("asyncjobd_build", "Version of this daemon.", {"version": __version__})
        yield _gauge("slots", "Executions that this daemon can run at a time.", self._slots.concurrency)
        yield _gauge("slots_in_use", "Executions that run in this daemon.", self._slots.in_use)
        yield _gauge(
            "database_up",
            "1 if the database answers, 0 if the daemon waits for it.",
            int(self._link.away_since is None),
        )
        yield _counter("database_outages", "Times that the database went away.", self._link.outages)
        yield _counter("rescued_jobs", "Jobs that were taken back from dead daemons.", metrics.rescued_jobs)
        yield _counter(
            "lost_leases",
            "Times that the lease could not be renewed in time and the handlers were cancelled.",
            metrics.lost_leases,
        )
        yield _counter(
            "disowned_outcomes",
            "Outcomes that were dropped because the row was gone or had another owner.",
            metrics.disowned_outcomes,
        )
        yield _counter(
            "lost_log_lines", "Log lines that nobody read, or that could not be written.", logs.lost_lines()
        )


def _queue(snapshot: QueueSnapshot) -> Iterator[Metric]:
    oldest = GaugeMetricFamily(
        "asyncjobd_oldest_ready_seconds",
        "Time that the oldest ready job has been ready; 0 if no job is ready.",
        labels=["action"],
    )
    jobs = GaugeMetricFamily(
        "asyncjobd_jobs",
        "Jobs of all daemons by state; 10000 stands for that many or more.",
        labels=["action", "state"],
    )
    waiting = GaugeMetricFamily(
        "asyncjobd_waiting_jobs",
        "Queued jobs that wait for other jobs, among the first 10000 that do.",
        labels=["action"],
    )
    saturated = GaugeMetricFamily(
        "asyncjobd_action_saturated",
        "1 while a limit for all daemons lets no job start, else 0; only of actions that have one.",
        labels=["action"],
    )
    for name, counts in snapshot.actions.items():
        if counts.is_saturated is not None:
            saturated.add_metric([name], int(counts.is_saturated))
        waiting.add_metric([name], counts.waiting)
        oldest.add_metric([name], counts.oldest_ready or 0)
        for state in ("ready", "running", "queued", "held", "failed"):
            jobs.add_metric([name, state], getattr(counts, state))
    yield from (oldest, jobs, waiting, saturated)
    yield _gauge(
        "queue_snapshot_age_seconds",
        "Age of the metrics about the queue as a whole.",
        monotonic() - snapshot.at,
    )


def _storage(storage: StorageSnapshot) -> Iterator[Metric]:
    rows = GaugeMetricFamily(
        "asyncjobd_dead_rows", "Dead rows that wait for a vacuum, estimated.", labels=["table"]
    )
    for table, count in storage.dead_rows.items():
        rows.add_metric([table], count)
    yield rows
    yield _gauge(
        "oldest_snapshot_seconds",
        "Age of the oldest transaction that holds up the vacuum; 0 if there is none.",
        storage.snapshot_seconds,
    )
    yield _gauge(
        "oldest_snapshot_transactions",
        "Age in transactions of the oldest transaction or replication slot that holds up the vacuum.",
        storage.snapshot_transactions,
    )


def _gauge(name: str, meaning: str, value: float | None) -> Metric:
    return GaugeMetricFamily(f"asyncjobd_{name}", meaning, value)


def _counter(name: str, meaning: str, value: float) -> Metric:
    return CounterMetricFamily(f"asyncjobd_{name}", meaning, value)


def _cumulative(histogram: Histogram) -> list[tuple[str, float]]:
    """Return the upper bound of each exported bucket with the count of all shorter durations."""
    counts = list(accumulate(histogram.buckets))  # counts[k]: of durations of less than 2 ** k microseconds
    return [*((bound, counts[number]) for number, bound in EXPORTED_BUCKETS), ("+Inf", counts[-1])]
