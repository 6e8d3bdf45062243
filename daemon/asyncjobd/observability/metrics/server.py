"""The HTTP server for Prometheus. It runs in threads of its own, and its errors never affect jobs."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIServer

import anyio
import structlog
from anyio.to_thread import run_sync

from asyncjobd.actions.catalog import ActionCatalog
from asyncjobd.actions.controls import Controls
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.model import Config
from asyncjobd.forks import close_in_children
from asyncjobd.observability.metrics.counters import DaemonMetrics
from asyncjobd.observability.metrics.queue_sampler import QueueSampler
from asyncjobd.observability.slot_usage import SlotUsage
from asyncjobd.postgres.link import BackOff, Link
from asyncjobd.postgres.outage import named

if TYPE_CHECKING:
    from asyncjobd.observability.metrics.prometheus import PrometheusCollector

FIRST_RETRY = 1.0  # seconds until the address is tried again if it could not be had; doubles
LAST_RETRY = 60.0

log = structlog.get_logger("asyncjobd.metrics")


class MetricsServer:
    """Serves the metrics and /healthz at [metrics] listen; does nothing if that is not configured."""

    def __init__(
        self,
        config: Config,
        catalog: ActionCatalog,
        metrics: DaemonMetrics,
        slots: SlotUsage,
        sampler: QueueSampler,
        controls: Controls,
        link: Link,
        problem: Callable[[], str],
    ) -> None:
        """Raise ConfigError if metrics are configured, but prometheus-client is not installed.

        `problem` is what /healthz answers.
        """
        self._address = config.metrics.address
        self._problem = problem
        collector = collector_class(config)
        self._collector = (
            None if collector is None else collector(metrics, catalog, slots, sampler, controls, link)
        )

    async def run(self) -> None:
        if self._collector is not None and self._address is not None:
            await self._serve(self._collector, *self._address)

    async def _serve(self, collector: "PrometheusCollector", host: str, port: int) -> None:
        server = await self._start(collector, host, port)
        close_in_children(server.socket)
        log.info("metrics.served", address=_as_text(host, server.server_port))
        try:
            await asyncio.Event().wait()
        finally:
            with anyio.CancelScope(shield=True):
                await run_sync(server.shutdown)
            server.server_close()

    async def _start(self, collector: "PrometheusCollector", host: str, port: int) -> WSGIServer:
        """Start the server, trying again while the address is in use or the name of the host unknown."""
        back_off = BackOff(FIRST_RETRY, LAST_RETRY)
        while True:
            try:
                return await run_sync(collector.serve, host, port, self._problem)
            except Exception as error:
                log.error("metrics.unavailable", address=_as_text(host, port), reason=named(error))
            await back_off.wait()


def _as_text(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def collector_class(config: Config) -> "type[PrometheusCollector] | None":
    """Return the class of the collector; None if no metrics are configured.

    Raise ConfigError if they are, but prometheus-client is not installed.
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
