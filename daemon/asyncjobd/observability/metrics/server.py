"""The HTTP server for Prometheus. It runs in threads of its own, and an error of it never affects jobs."""

import asyncio
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIServer

import anyio
import structlog
from anyio.to_thread import run_sync

from asyncjobd import __version__
from asyncjobd.config.load import Config, ConfigError
from asyncjobd.engine.jobs.runner import Runner
from asyncjobd.forks import close_in_children
from asyncjobd.observability.metrics.counters import DaemonMetrics
from asyncjobd.observability.metrics.queue_sampler import QueueSampler
from asyncjobd.postgres.link import BackOff, Link

if TYPE_CHECKING:
    from asyncjobd.observability.metrics.prometheus import PrometheusCollector

FIRST_RETRY = 1.0  # seconds until an address that is not available is tried again; doubles up to LAST_RETRY
LAST_RETRY = 60.0

log = structlog.get_logger("asyncjobd.metrics")


class MetricsServer:
    """Serves the metrics at [metrics] listen; does nothing if that is not configured."""

    def __init__(
        self,
        config: Config,
        served: Callable[[], Collection[str]],
        figures: DaemonMetrics,
        runner: Runner,
        surveyor: QueueSampler,
        link: Link,
    ) -> None:
        """Raise ConfigError if metrics are configured, but prometheus-client is not installed."""
        self._address = config.metrics.address
        self._metrics: PrometheusCollector | None = None
        if (metrics := collector_class(config)) is not None:
            self._metrics = metrics(
                figures, __version__, served, runner.concurrency, running=lambda: runner.running,
                is_away=lambda: link.away_since is not None, queue_snapshot=lambda: surveyor.survey,
            )  # fmt: skip

    async def run(self) -> None:
        if self._metrics is None or self._address is None:
            await asyncio.Event().wait()
        else:
            await self._serve(self._metrics, *self._address)

    async def _serve(self, metrics: "PrometheusCollector", host: str, port: int) -> None:
        server = await self._start(metrics, host, port)
        close_in_children(server.socket)
        log.info("metrics.served", address=_shown(host, server.server_port))
        try:
            await asyncio.Event().wait()
        finally:
            with anyio.CancelScope(shield=True):
                await run_sync(server.shutdown)
            server.server_close()

    async def _start(self, metrics: "PrometheusCollector", host: str, port: int) -> WSGIServer:
        back_off = BackOff(FIRST_RETRY, LAST_RETRY)
        while True:
            try:
                return await run_sync(metrics.serve, host, port)
            except Exception as error:  # an address in use, an unknown host name, ...
                log.error(
                    "metrics.unavailable",
                    address=_shown(host, port),
                    reason=f"{type(error).__name__}: {error}",
                )
            await back_off.wait()


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def collector_class(config: Config) -> "type[PrometheusCollector] | None":
    """Return the collector class, or None if no metrics are configured.

    Raise ConfigError if they are configured, but prometheus-client is not installed.
    """
    if config.metrics.address is None:
        return None
    try:
        from asyncjobd.observability.metrics.prometheus import PrometheusCollector
    except ImportError as error:
        raise ConfigError(
            f"{config.path}: [metrics] listen: {error}; it needs prometheus-client: pip install 'asyncjobd[metrics]'"
        ) from error
    return PrometheusCollector
