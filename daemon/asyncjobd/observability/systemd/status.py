"""The service status: the line that `systemctl status` shows."""

import asyncio

from asyncjobd.actions.catalog import ActionCatalog
from asyncjobd.actions.controls import Controls
from asyncjobd.observability.metrics.counters import DaemonMetrics
from asyncjobd.observability.metrics.queue_sampler import QueueSampler
from asyncjobd.observability.slot_usage import SlotUsage
from asyncjobd.observability.systemd import notify as systemd
from asyncjobd.postgres.link import Link

RETRY_INTERVAL = 0.1  # seconds until the service manager is told again, if it could take nothing
UPDATE_INTERVAL = 5.0  # seconds between two statuses while nothing happens


class ServiceStatus:
    """Sends the state of the daemon to the service manager, regularly and at important events."""

    def __init__(
        self,
        link: Link,
        slots: SlotUsage,
        catalog: ActionCatalog,
        metrics: DaemonMetrics,
        sampler: QueueSampler,
        controls: Controls,
        lease_held: asyncio.Event,
    ) -> None:
        self._link = link
        self._slots = slots
        self._catalog = catalog
        self._metrics = metrics
        self._sampler = sampler
        self._controls = controls
        self._lease_held = lease_held
        self._is_stopping = False
        self.is_ready = asyncio.Event()  # set when the service manager knows that the daemon is

    async def run(self) -> None:
        while True:
            self.show()
            await asyncio.sleep(UPDATE_INTERVAL)

    async def tell_ready(self) -> None:
        """Report that the daemon is ready, until the service manager has taken the message.

        If it were lost, systemd would kill the daemon as one that does not start.
        """
        is_taken = systemd.notify("READY=1")
        while not is_taken:
            await asyncio.sleep(RETRY_INTERVAL)
            is_taken = systemd.notify("READY=1")
        self.show()
        self.is_ready.set()

    def tell_stopping(self, seconds: float) -> None:
        """Report that the daemon stops, which may take as many seconds."""
        self._is_stopping = True
        systemd.notify("STOPPING=1", f"EXTEND_TIMEOUT_USEC={seconds * 1e6:.0f}")
        self.show()

    def show(self) -> None:
        """Send the present status line."""
        away, refusal = self._link.away, self._catalog.refusal
        queue = None if away else self._sampler.snapshot
        parts = [
            "stopping" if self._is_stopping else "",
            "draining" if self._controls.is_draining else "",
            f"database away {away}" if away else "",
            "" if self._lease_held.is_set() else "lease not held",
            f"configuration refused: {refusal}" if refusal else "",
            f"running {self._slots.in_use}/{self._slots.concurrency}",
            f"ready {queue.ready}" if queue else "",
            f"oldest ready {queue.oldest_ready:.1f} s" if queue and queue.oldest_ready is not None else "",
            f"{self._metrics.rate:.1f}/s",
        ]
        systemd.notify("STATUS=" + ", ".join(filter(None, parts)))
