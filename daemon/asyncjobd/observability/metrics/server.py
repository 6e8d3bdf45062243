"""Serves the metrics on a port, in threads of their own: whatever becomes of it, the jobs go on."""

import asyncio
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIServer

import anyio
import structlog
from anyio.to_thread import run_sync

from asyncjobd import __version__
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.model import Config
from asyncjobd.engine.jobs.runner import Runner
from asyncjobd.forks import withhold
from asyncjobd.observability.metrics.counters import DaemonMetrics
from asyncjobd.observability.metrics.queue_sampler import QueueSampler
from asyncjobd.postgres.link import BackOff, Link

if TYPE_CHECKING:
    from asyncjobd.observability.metrics.prometheus import PrometheusCollector

FIRST_RETRY = 1.0  # seconds until an address that could not be had is tried again; doubles
LAST_RETRY = 60.0

log = structlog.get_logger("asyncjobd.metrics")


class MetricsServer:
    def __init__(
        self,
        config: Config,
        served: Callable[[], Collection[str]],
        figures: DaemonMetrics,
        runner: Runner,
        surveyor: QueueSampler,
        link: Link,
    ) -> None:
        """Raises ConfigError where metrics are configured, but not installed."""
        self._address = config.metrics.address
        self._metrics: PrometheusCollector | None = None
        if (metrics := collector_class(config)) is not None:
            self._metrics = metrics(
                figures, __version__, served, runner.concurrency, running=lambda: runner.running,
                is_away=lambda: link.away_since is not None, survey=lambda: surveyor.survey,
            )  # fmt: skip

    async def run(self) -> None:
        if self._metrics is None or self._address is None:
            await asyncio.Event().wait()
        else:
            await self._serve(self._metrics, *self._address)

    async def _serve(self, metrics: "PrometheusCollector", host: str, port: int) -> None:
        server = await self._start(metrics, host, port)
        withhold(server.socket)
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
            except (
                Exception
            ) as error:  # the address is taken, the name unknown, ...: nothing that jobs should end for
                log.error(
                    "metrics.unavailable",
                    address=_shown(host, port),
                    reason=f"{type(error).__name__}: {error}",
                )
            await back_off.wait()


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def collector_class(config: Config) -> "type[PrometheusCollector] | None":
    """None where none are configured. Raises ConfigError where they are, but are not installed."""
    if config.metrics.address is None:
        return None
    try:
        from asyncjobd.observability.metrics.prometheus import PrometheusCollector
    except ImportError as error:
        raise ConfigError(
            f"{config.path}: [metrics] listen: {error}; it needs prometheus-client: pip install 'asyncjobd[metrics]'"
        ) from error
    return PrometheusCollector
