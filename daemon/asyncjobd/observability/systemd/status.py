"""The service status that `systemctl status` shows."""

import asyncio

from asyncjobd.engine.fleet.heartbeat import Heartbeat
from asyncjobd.engine.jobs.runner import Runner
from asyncjobd.engine.upkeep.reloader import Reloader
from asyncjobd.observability.metrics.counters import DaemonMetrics
from asyncjobd.observability.metrics.queue_sampler import QueueSampler
from asyncjobd.observability.systemd import notify as systemd
from asyncjobd.postgres.link import Link

RETRY = 0.1  # seconds until READY=1 is sent again to a service manager that could not take it
PACE = 5.0  # seconds between two updates if no event causes one


class ServiceStatus:
    """Sends the state of the daemon to the service manager, regularly and at important events."""

    def __init__(
        self,
        link: Link,
        heartbeat: Heartbeat,
        reloader: Reloader,
        runner: Runner,
        surveyor: QueueSampler,
        figures: DaemonMetrics,
    ) -> None:
        self._link = link
        self._heartbeat = heartbeat
        self._reloader = reloader
        self._runner = runner
        self._surveyor = surveyor
        self._figures = figures
        self._is_stopping = False

    async def run(self) -> None:
        while True:
            self.show()
            await asyncio.sleep(PACE)

    async def ready(self) -> None:
        """Report that the daemon has started; repeat it until the service manager has taken it.

        Otherwise systemd would kill a working daemon as one that did not start in time.
        """
        is_taken = systemd.notify("READY=1")
        while not is_taken:
            await asyncio.sleep(RETRY)
            is_taken = systemd.notify("READY=1")
        self.show()

    def stopping(self, longest: float) -> None:
        """Report that the daemon stops, which may take as many seconds as `longest`."""
        self._is_stopping = True
        systemd.notify("STOPPING=1", f"EXTEND_TIMEOUT_USEC={longest * 1e6:.0f}")
        self.show()

    def show(self) -> None:
        """Send the present status."""
        away, refused = self._link.away, self._reloader.refused
        survey = None if away else self._surveyor.survey
        words = [
            "stopping" if self._is_stopping else "",
            f"database away {away}" if away else "",
            "" if self._heartbeat.is_held.is_set() else "lease not held",
            f"configuration refused: {refused}" if refused else "",
            f"running {self._runner.running}/{self._runner.concurrency}",
            f"ready {survey.ready}" if survey else "",
            f"oldest ready {survey.oldest_ready:.1f} s" if survey and survey.oldest_ready is not None else "",
            f"{self._figures.rate:.1f}/s",
        ]
        systemd.notify("STATUS=" + ", ".join(filter(None, words)))
