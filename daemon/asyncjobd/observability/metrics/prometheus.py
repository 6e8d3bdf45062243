"""What Prometheus is told: this daemon's figures, and the queue as the last survey saw it.

It is asked in threads of the server's own, while the event loop counts: every number is read once, so that a histogram
agrees with itself; two of one moment may be a job apart.
"""

from collections.abc import Iterator
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
from asyncjobd.observability.logging import setup as logs
from asyncjobd.observability.metrics.counters import ActionMetrics, DaemonMetrics, Histogram
from asyncjobd.observability.metrics.queue_sampler import QueueSampler
from asyncjobd.observability.metrics.queue_snapshot import QueueSnapshot, StorageSnapshot
from asyncjobd.observability.slots import Slots
from asyncjobd.postgres.link import Link

# Of the buckets of Histogram: from a quarter of a millisecond to 19 hours, each four times the one before.
BOUNDS = [(number, str(2**number / 1e6)) for number in range(8, 37, 2)]


class PrometheusCollector(Collector):
    def __init__(
        self, metrics: DaemonMetrics, catalog: ActionCatalog, slots: Slots, sampler: QueueSampler, link: Link
    ) -> None:
        """Actions of the catalog are counted from 0 on, before their first job."""
        self._metrics = metrics
        self._catalog = catalog
        self._slots = slots
        self._sampler = sampler
        self._link = link

    def serve(self, host: str, port: int) -> WSGIServer:
        """Together with those of the process: CPU time, memory, open files. Looks the host's name up, and so may take
        long; raises OSError."""
        registry = CollectorRegistry()
        registry.register(self)
        ProcessCollector(registry=registry)
        server, _ = start_http_server(port, host, registry)
        return server

    def collect(self) -> Iterator[Metric]:
        survey = self._sampler.snapshot
        if survey is not None:
            yield from _queue(survey)
            if survey.storage is not None:
                yield from _storage(survey.storage)
        yield from self._executions()
        yield from self._daemon()

    def _executions(self) -> Iterator[Metric]:
        ends = CounterMetricFamily(
            "asyncjobd_executions",
            "Executions that ended in this daemon, by how.",
            labels=["action", "ending"],
        )
        waits = HistogramMetricFamily(
            "asyncjobd_wait_seconds",
            "From when a job was due to its start in this daemon.",
            labels=["action"],
        )
        runs = HistogramMetricFamily("asyncjobd_run_seconds", "What its handler took.", labels=["action"])
        for action in sorted({*self._catalog.served, *self._metrics.actions}):
            done = self._metrics.actions.get(action) or ActionMetrics()
            for ending, count in done.endings.items():
                ends.add_metric([action, ending], count)
            waits.add_metric([action], _cumulative(done.waited), done.waited.seconds)
            runs.add_metric([action], _cumulative(done.ran), done.ran.seconds)
        yield from (ends, waits, runs)

    def _daemon(self) -> Iterator[Metric]:
        figures = self._metrics
        yield InfoMetricFamily("asyncjobd_build", "The version of this daemon.", {"version": __version__})
        yield _gauge("slots", "Executions that this daemon runs at a time.", self._slots.concurrency)
        yield _gauge("slots_in_use", "Executions that it runs now.", self._slots.in_use)
        yield _gauge(
            "database_up", "1: its database answers; 0: it is waited for.", int(self._link.away_since is None)
        )
        yield _counter("database_outages", "Times that its database went away.", self._link.outages)
        yield _counter("rescued_jobs", "Jobs that it took back from daemons that were gone.", figures.rescued)
        yield _counter(
            "lost_leases", "Times that it could not renew its lease and stopped its jobs.", figures.fenced
        )
        yield _counter(
            "disowned_outcomes", "Outcomes that were dropped, as the row had gone.", figures.disowned
        )
        yield _counter(
            "lost_log_lines", "Log lines that nobody read, or that could not be written.", logs.lost_lines()
        )


def _queue(survey: QueueSnapshot) -> Iterator[Metric]:
    lag = GaugeMetricFamily(
        "asyncjobd_oldest_ready_seconds",
        "How long the oldest ready job has been; 0: none is.",
        labels=["action"],
    )
    jobs = GaugeMetricFamily(
        "asyncjobd_jobs",
        "Jobs of all daemons by where they are; 10000: as many or more.",
        labels=["action", "state"],
    )
    for action, counts in survey.actions.items():
        lag.add_metric([action], counts.oldest_ready or 0)
        for state in ("ready", "running", "queued", "held", "failed"):
            jobs.add_metric([action, state], getattr(counts, state))
    yield from (lag, jobs)
    yield _gauge("survey_age_seconds", "How old what is said of all daemons is.", monotonic() - survey.at)


def _storage(storage: StorageSnapshot) -> Iterator[Metric]:
    rows = GaugeMetricFamily("asyncjobd_dead_rows", "Rows that wait for a vacuum, about.", labels=["table"])
    for table, count in storage.dead_rows.items():
        rows.add_metric([table], count)
    yield rows
    yield _gauge("oldest_snapshot_seconds", "Age of the oldest transaction that holds up the vacuum; 0: none does.",
                 storage.snapshot_seconds)  # fmt: skip
    yield _gauge("oldest_snapshot_transactions", "The same in transactions, replication slots too.",
                 storage.snapshot_transactions)  # fmt: skip


def _gauge(name: str, meaning: str, value: float | None) -> Metric:
    return GaugeMetricFamily(f"asyncjobd_{name}", meaning, value)


def _counter(name: str, meaning: str, value: float) -> Metric:
    return CounterMetricFamily(f"asyncjobd_{name}", meaning, value)


def _cumulative(times: Histogram) -> list[tuple[str, float]]:
    shorter = list(accumulate(times.buckets))  # shorter[k]: than 2 ** k microseconds
    return [*((bound, shorter[number]) for number, bound in BOUNDS), ("+Inf", shorter[-1])]
