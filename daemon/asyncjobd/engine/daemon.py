"""The daemon: wires its parts, supervises them, and drains them at a stop."""

import asyncio
import re
from concurrent.futures import Executor
from functools import partial
from random import Random, SystemRandom
from typing import Protocol

import anyio
import structlog

from asyncjobd.actions.catalog import Action, ActionCatalog
from asyncjobd.actions.controls import Controls
from asyncjobd.client import Client
from asyncjobd.config.model import Config
from asyncjobd.engine.fleet.control_reader import ControlReader
from asyncjobd.engine.fleet.heartbeat import Heartbeat, WrittenOff
from asyncjobd.engine.fleet.hindrances import Hindrances
from asyncjobd.engine.fleet.own_thread import RunInThread, own_thread
from asyncjobd.engine.fleet.process_identity import ProcessIdentity
from asyncjobd.engine.fleet.registration import Registration
from asyncjobd.engine.fleet.rescuer import Rescuer
from asyncjobd.engine.jobs.pipeline import Pipeline
from asyncjobd.engine.jobs.reconciler import Reconciler
from asyncjobd.engine.lease import Lease
from asyncjobd.engine.quarantine import Quarantine
from asyncjobd.engine.signals import Signals
from asyncjobd.engine.timings import Timings
from asyncjobd.engine.upkeep.history_writer import HistoryWriter
from asyncjobd.engine.upkeep.memory_reclaimer import MemoryReclaimer
from asyncjobd.engine.upkeep.pruner import Pruner
from asyncjobd.engine.upkeep.reloader import Reloader
from asyncjobd.engine.upkeep.unknown_names import UnknownNames
from asyncjobd.engine.wakeup.announcer import Announcer
from asyncjobd.engine.wakeup.fallback import Fallback
from asyncjobd.engine.wakeup.listener import Listener
from asyncjobd.engine.wakeup.notify_gate import NotifyGate
from asyncjobd.observability.logging import setup as logs
from asyncjobd.observability.metrics.counters import DaemonMetrics
from asyncjobd.observability.metrics.queue_sampler import QueueSampler
from asyncjobd.observability.metrics.server import MetricsServer
from asyncjobd.observability.systemd import notify as systemd
from asyncjobd.observability.systemd.status import ServiceStatus
from asyncjobd.observability.systemd.watchdog import Watchdog
from asyncjobd.postgres.database import Database, Use
from asyncjobd.postgres.link import BackOff, Link
from asyncjobd.postgres.outage import describe
from asyncjobd.postgres.pool import Pool
from asyncjobd.postgres.session import Session
from asyncjobd.postgres.transaction import Transaction
from asyncjobd.workers.pool import WorkerPool

FIRST_RESTART = 1.0  # seconds until a part that has failed, and that jobs can do without, runs again; doubles
LAST_RESTART = 60.0
CANCEL_GRACE = 10.0  # seconds that cancelled handlers get to end at a stop
ANSWER_TIMEOUT = 5.0  # seconds that the database gets to answer at a stop, and to take outcomes in a hurry

log = structlog.get_logger("asyncjobd.daemon")


class Part(Protocol):
    """A background part of the daemon. One that has nothing to do returns; a vital one never does."""

    async def run(self) -> None: ...


class PartEnded(Exception):
    """Raised when a vital part of the daemon ended by itself: the daemon must not go on without it."""


class Daemon:
    """One daemon, to be created inside the event loop: `register`, then `run`, which ends after `stop`."""

    def __init__(
        self,
        config: Config,
        database: Database,
        actions: dict[str, Action],
        threads: Executor | None = None,
        in_thread: RunInThread = own_thread,
        chance: Random | None = None,
    ) -> None:
        """Wire the parts. `threads` run the synchronous functions of `actions`, and of those that a reload loads.

        `in_thread` runs what must go on while a handler blocks the event loop. `chance` makes the id of the daemon and
        the tokens of its claims, which no other daemon may have; None: the system's.
        """
        logs.apply_config(config)
        self._config = config
        self._database = database
        chance = chance or SystemRandom()
        self.id = chance.getrandbits(48) + 1
        self._process = ProcessIdentity.current()
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._written_off: WrittenOff | None = None

        settings = config.daemon
        timings = Timings(settings.lease.total_seconds())
        signals = Signals()
        metrics = DaemonMetrics()
        self._lease = lease = Lease(timings)
        self._link = link = Link(database)
        self._client = Client(database)
        self._transactions = Pool(database, "transaction", settings.transactions, Use.HANDLER)
        self._workers = WorkerPool(settings, database)
        self._catalog = catalog = ActionCatalog(self._workers.isolate(actions))
        quarantine = Quarantine(Session(link, "quarantine"))
        controls = Controls()
        gate = NotifyGate(link, catalog, controls, signals)
        self._jobs = jobs = Pipeline(
            link, self.id, settings.concurrency, catalog, controls, quarantine, gate, self._client,
            partial(Transaction, database, self._transactions), metrics, signals, lease, chance,
            timings.renewal_interval,
        )  # fmt: skip
        sampler = QueueSampler(
            Session(link, "queue sampler"), metrics,
            is_shown=systemd.is_there(), is_scraped=config.metrics.address is not None,
        )  # fmt: skip
        self._status = status = ServiceStatus(
            link, jobs.slots, catalog, metrics, sampler, controls, lease.held
        )
        upkeep = Session(link, "upkeep")
        self._registration = Registration(upkeep, self.id)
        self._listener = Listener(link, self.id, timings.look_interval, gate, signals)
        self._reloader = Reloader(
            config, threads, self._registration, self._workers, catalog, signals, status.is_ready
        )
        self._history = HistoryWriter(upkeep, self.id, metrics, config.metrics.history)
        rescuer = Rescuer(
            Session(link, "rescuer"), quarantine, self.id, self._process, timings.renewal_interval, metrics, signals,
        )  # fmt: skip
        heartbeat = Heartbeat(
            database.for_another_thread(), self.id, timings, jobs, rescuer, metrics,
            Hindrances(link, catalog, jobs.slots, threads, self._transactions),
            status, controls, signals, lease, in_thread,
        )  # fmt: skip
        watchdog = Watchdog({
            "claimer": jobs.claimer, "recorder": jobs.recorder, "timer": jobs.timer, "resolver": jobs.resolver,
            "scheduler": jobs.scheduler,
        }, link)  # fmt: skip
        self._vital: tuple[Part, ...] = (
            self._listener, gate, Fallback(signals, timings.look_interval, lease.held),
            jobs.scheduler, jobs.timer, jobs.claimer, jobs.runner, jobs.recorder, jobs.resolver, heartbeat, rescuer,
            Reconciler(Session(link, "reconciler"), self.id, jobs, signals), watchdog,
        )  # fmt: skip
        self._dispensable: tuple[Part, ...] = (
            jobs.progress, Announcer(Session(link, "announcer"), signals.announcements),
            UnknownNames(
                upkeep, quarantine, catalog, signals,
                grace=settings.unknown_name_grace.total_seconds(), interval=timings.unknown_names_interval,
            ),
            ControlReader(Session(link, "control reader"), self.id, catalog, controls, status, signals),
            Pruner(upkeep, config.retention), self._history,
            self._reloader, self._workers, sampler,
            MetricsServer(config, catalog, metrics, jobs.slots, sampler, controls, link, watchdog.problem),
            MemoryReclaimer(jobs.slots), status,
        )  # fmt: skip
        for changed in (self._client.pool.clear, self._transactions.clear, status.show):
            link.subscribe(changed)  # no idle connection is worth keeping

    def stop(self) -> None:
        """Stop, and let the handlers end. Called again, do not wait for them any more."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def reload(self) -> None:
        """Take up what has changed of the actions and the dsn. A configuration that cannot be used is logged."""
        self._database.source.renew()
        self._reloader.ask()

    async def register(self) -> None:
        """Make this daemon and its actions known in the database, and wait for it if it is away."""
        self._database.load_queries()
        try:
            await self._registration.register(self._config, self._process, self._catalog)
        except BaseException:
            self._link.close()
            raise

    async def run(self) -> None:
        """Run until `stop`. Raise WrittenOff if others took this daemon for dead."""
        try:
            async with anyio.create_task_group() as group:
                for part in self._vital:
                    group.start_soon(self._supervise, part)
                for part in self._dispensable:
                    group.start_soon(self._restart, part)
                group.start_soon(self._tell_ready)
                await self._stop.wait()
                await self._drain()
                group.cancel_scope.cancel()
            await self._registration.unregister(self._patience)
            await self._history.finish(self._patience)
            log.info("daemon.stopped", daemon_id=self.id)
            if self._written_off is not None:
                raise self._written_off
        except BaseExceptionGroup:
            await self._jobs.runner.drain(0, self._hurry, CANCEL_GRACE)
            raise
        finally:
            await self._workers.close()
            await self._client.close()
            await self._transactions.close()
            self._link.close()

    @property
    def is_running(self) -> bool:
        """True if a handler's thread, or an import, has outlived `run`."""
        return self._jobs.slots.in_use > 0 or self._reloader.is_importing

    async def _supervise(self, part: Part) -> None:
        """Run a vital part, and end the daemon with it."""
        try:
            await part.run()
        except WrittenOff as error:  # nobody wants any more what its handlers still do: cancel them, and end
            log.critical("daemon.written_off", reason=str(error), running=self._jobs.slots.in_use)
            self._written_off = error
            self._hurry.set()
            self._stop.set()
        if not self._stop.is_set():
            raise PartEnded(f"the {_name_of(part)} ended")

    async def _restart(self, part: Part) -> None:
        """Run a part that jobs can do without, and again whenever it fails."""
        back_off = BackOff(FIRST_RESTART, LAST_RESTART)
        while True:
            try:
                await part.run()
                return
            except Exception as error:
                log.error("part.failed", part=_name_of(part), reason=describe(error), exc_info=error)
            await back_off.wait()

    async def _tell_ready(self) -> None:
        await self._listener.is_listening.wait()
        await self._lease.held.wait()
        log.info(
            "daemon.ready", daemon_id=self.id, name=self._config.daemon_name, pid=self._process.pid,
            actions=self._catalog.served_names, concurrency=self._jobs.slots.concurrency,
            database=self._database.address,
        )  # fmt: skip
        await self._status.tell_ready()

    async def _drain(self) -> None:
        grace = self._config.daemon.shutdown_grace.total_seconds()
        log.info("daemon.stopping", running=self._jobs.slots.in_use)
        self._status.tell_stopping(grace + CANCEL_GRACE + 3 * ANSWER_TIMEOUT)
        await self._jobs.drain(
            grace, self._hurry,
            cancel_grace=CANCEL_GRACE, claim_patience=self._patience, patience=ANSWER_TIMEOUT,
        )  # fmt: skip

    @property
    def _patience(self) -> float:
        """The seconds to wait for the database at a stop: none if it is away."""
        return ANSWER_TIMEOUT if self._link.away_since is None else 0.0


def _name_of(part: Part) -> str:
    """Return the name of a part as logs and its session have it: "notify gate" for a NotifyGate."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", type(part).__name__).lower()
