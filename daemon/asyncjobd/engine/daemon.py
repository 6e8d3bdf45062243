"""The daemon: its parts, wired together under one task group, from the first claim to the last record."""

import asyncio
import secrets
from concurrent.futures import Executor
from time import monotonic
from typing import Protocol

import anyio
import asyncpg
import structlog

from asyncjobd.actions.catalog import Action, served_names
from asyncjobd.client import Client
from asyncjobd.config.load import Config
from asyncjobd.engine.fleet.heartbeat import Heartbeat, WrittenOff
from asyncjobd.engine.fleet.process_identity import ProcessIdentity
from asyncjobd.engine.fleet.reconciler import Reconciler
from asyncjobd.engine.fleet.registration import Registration
from asyncjobd.engine.fleet.rescuer import Rescuer
from asyncjobd.engine.jobs.claimer import Claimer
from asyncjobd.engine.jobs.progress import ProgressWriter
from asyncjobd.engine.jobs.recorder import Recorder
from asyncjobd.engine.jobs.runner import Runner
from asyncjobd.engine.quarantine import Quarantine
from asyncjobd.engine.upkeep.memory import MemoryReclaimer
from asyncjobd.engine.upkeep.pruner import Pruner
from asyncjobd.engine.upkeep.reloader import Reloader
from asyncjobd.engine.upkeep.unknown_names import UnknownNames
from asyncjobd.engine.wakeup.announcer import Announcer
from asyncjobd.engine.wakeup.listener import Listener
from asyncjobd.engine.wakeup.notify_gate import NotifyGate
from asyncjobd.engine.wakeup.timer import Timer
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

LOOK = 30.0  # seconds between two looks for what no notification told of; or two leases, if that is less
FIRST_RESTART = 1.0  # seconds until a part that has failed, and that jobs can do without, runs again; doubles
LAST_RESTART = 60.0
LAST_WAIT = 10.0  # seconds that cancelled handlers get to end at a stop
LAST_ANSWER = 5.0  # seconds that the database gets to answer at a stop, and to take outcomes in a hurry

log = structlog.get_logger("asyncjobd.daemon")


class Part(Protocol):
    async def run(self) -> None: ...


class PartEnded(Exception):
    """A part of the daemon ended by itself: the daemon must not go on without it."""


class Daemon:
    """Create it inside the event loop. `actions` were loaded with `threads` for their synchronous functions, and so are
    those that come with a reload."""

    def __init__(
        self, config: Config, database: Database, actions: dict[str, Action], threads: Executor | None = None
    ) -> None:
        _set_levels(config)
        self._config = config
        self._database = database
        self._actions = actions
        self.id = secrets.randbits(48) + 1
        self._process = ProcessIdentity.current()
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._written_off: WrittenOff | None = None

        served = served_names(actions)
        settings = config.daemon
        pace = settings.lease / 3
        self._look_interval = min(2 * settings.lease, LOOK)
        self._look_due = 0.0  # monotonic
        self._link = link = Link(database, changed=self._database_changed)
        self._client = Client(database)
        self._transactions = Pool(database, "transaction", settings.transactions, Use.HANDLER)
        self._registry = Registration(Session(link, "registry"), self.id)
        self._figures = DaemonMetrics()
        self._announcer = Announcer(Session(link, "announcer"))
        self._quarantine = Quarantine(Session(link, "quarantine"))
        self._recorder = Recorder(
            Session(link, "recorder"), self._figures,
            due_again=lambda epoch: self._timer.expect(epoch), ready_again=self._made_ready,
        )  # fmt: skip
        self._reporter = ProgressWriter(Session(link, "reporter"))
        self._processes = WorkerPool(settings, database)
        self._runner = Runner(
            self._processes.isolate(actions), settings.concurrency, self._recorder, self._reporter, self._client,
            begin=lambda: Transaction(database, self._transactions),
        )  # fmt: skip
        self._heartbeat = Heartbeat(
            database.apart(), self.id, settings.lease,
            running=lambda: self._runner.running, figures=lambda: self._figures.sample_as_json(link.away),
            beaten=self._beaten,
            fenced=self._fence,
        )  # fmt: skip
        self._served = frozenset(served)
        self._gate = NotifyGate(link, served, look=lambda: self._claimer.wake.set())
        self._claimer = Claimer(
            Session(link, "claimer"), self._gate, self._announcer, self.id, actions, self._runner, self._recorder,
            self._quarantine, self._heartbeat.is_held, due_again=lambda epoch: self._timer.expect(epoch),
        )  # fmt: skip
        self._timer = Timer(Session(link, "timer"), self._quarantine, actions, self._promoted)
        self._auditor = Reconciler(
            Session(link, "auditor"), self.id, self._claimer, self._runner, self._recorder,
            handed_back=self._made_ready,
        )  # fmt: skip
        self._listener = Listener(
            link, self.id, self._look_interval,
            look=self._look_again, ready=self._ready, opened=self._gate.try_again, due=self._timer.expect,
            stopped=self._auditor.wake.set,
        )  # fmt: skip
        self._rescuer = Rescuer(
            Session(link, "rescuer"), self._quarantine, self.id, self._process, pace, self._rescued
        )
        self._retention = Pruner(Session(link, "retention"), config.retention)
        self._unserved = UnknownNames(
            Session(link, "unserved"), self._quarantine, served, settings.unknown_name_grace,
            1.5 * self._look_interval, released=self._made_ready,
        )  # fmt: skip
        self._is_ready = asyncio.Event()
        self._reloader = Reloader(config, threads, self._is_ready, self._take_up)
        self._watchdog = Watchdog(
            {"claimer": self._claimer, "recorder": self._recorder, "timer": self._timer}, link
        )
        self._surveyor = QueueSampler(
            Session(link, "surveyor"), self._figures,
            is_shown=systemd.is_there(), is_scraped=config.metrics.address is not None,
        )  # fmt: skip
        self._collector = MemoryReclaimer(self._runner)
        self._herald = ServiceStatus(
            link, self._heartbeat, self._reloader, self._runner, self._surveyor, self._figures
        )
        self._exporter = MetricsServer(
            config, lambda: self._served, self._figures, self._runner, self._surveyor, link
        )

    def stop(self) -> None:
        """Asked once, it drains; asked again, it does not wait for the handlers."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def reload(self) -> None:
        """Takes up what has changed of the actions and the dsn; what cannot be used is refused, and logged."""
        self._database.source.renew()
        self._reloader.ask()

    async def enroll(self) -> None:
        """Before `run`: this daemon and what it serves are known to all. Waits for the database."""
        try:
            await self._registry.enroll(
                self._config.daemon_name, self._process, self._config.daemon, self._actions
            )
        except BaseException:
            self._link.close()
            raise

    async def run(self) -> None:
        """Runs until `stop`. Raises WrittenOff where others took this daemon for dead."""
        vital: tuple[Part, ...] = (
            self._listener, self._gate, self._claimer, self._timer, self._runner, self._recorder, self._heartbeat,
            self._rescuer, self._auditor, self._watchdog,
        )  # fmt: skip
        others: tuple[Part, ...] = (
            self._reporter, self._announcer, self._unserved, self._retention, self._reloader, self._processes,
            self._surveyor, self._exporter, self._collector, self._herald,
        )  # fmt: skip
        try:
            async with anyio.create_task_group() as group:
                for part in vital:
                    group.start_soon(self._supervise, part)
                for part in others:
                    group.start_soon(self._keep_going, part)
                group.start_soon(self._announce)
                await self._stop.wait()
                await self._drain()
                group.cancel_scope.cancel()
            await self._leave()
            if self._written_off is not None:
                raise self._written_off
        except BaseExceptionGroup:
            await self._runner.drain(0, self._hurry, LAST_WAIT)
            raise
        finally:
            await self._processes.close()
            await self._client.close()
            await self._transactions.close()
            self._link.close()

    @property
    def is_running(self) -> bool:
        """After `run`: a handler in a thread did not end, or the import of one."""
        return self._runner.running > 0 or self._reloader.is_importing

    async def _supervise(self, part: Part) -> None:
        try:
            await part.run()
        except (
            WrittenOff
        ) as error:  # what its handlers still do is not wanted any more: cancelled, told, and out
            log.critical("daemon.written_off", reason=str(error), running=self._runner.running)
            self._written_off = error
            self._hurry.set()
            self._stop.set()
        if not self._stop.is_set():
            raise PartEnded(f"the {type(part).__name__.lower()} ended")

    async def _keep_going(self, part: Part) -> None:
        """Run a part that jobs can do without, again when it fails."""
        back_off = BackOff(FIRST_RESTART, LAST_RESTART)
        while True:
            try:
                await part.run()
            except Exception as error:
                log.error(
                    "part.failed", part=type(part).__name__.lower(), reason=describe(error), exc_info=error
                )
            await back_off.wait()

    async def _announce(self) -> None:
        await self._listener.is_listening.wait()
        await self._heartbeat.is_held.wait()
        log.info("daemon.ready", daemon_id=self.id, name=self._config.daemon_name, pid=self._process.pid,
                 actions=served_names(self._actions), concurrency=self._runner.concurrency,
                 database=self._database.address)  # fmt: skip
        await self._herald.ready()
        self._is_ready.set()

    async def _drain(self) -> None:
        log.info("daemon.stopping", running=self._runner.running)
        self._herald.stopping(self._config.daemon.shutdown_grace + LAST_WAIT + 2 * LAST_ANSWER)
        await self._claimer.stop(self._patience)
        await self._runner.drain(self._config.daemon.shutdown_grace, self._hurry, LAST_WAIT)
        await self._recorder.drain(self._hurry, LAST_ANSWER)

    async def _take_up(self, config: Config, actions: dict[str, Action]) -> None:
        """Of a changed configuration. What is claimed and what runs goes on."""
        await self._registry.serve(actions)
        self._actions = actions
        served = served_names(actions)
        self._served = frozenset(served)
        _set_levels(config)
        self._runner.serve(self._processes.isolate(actions))
        self._claimer.serve(actions)
        self._timer.serve(actions)
        self._gate.serve(served)
        self._unserved.serve(served)
        self._look_again()

    async def _leave(self) -> None:
        await self._registry.leave(self._patience)
        log.info("daemon.stopped", daemon_id=self.id)

    @property
    def _patience(self) -> float:
        """At a stop nobody waits for a database that is away."""
        return LAST_ANSWER if self._link.away_since is None else 0.0

    def _fence(self) -> None:
        """Others may soon take this daemon's jobs: its handlers get what is left of the lease to end."""
        self._figures.lost_leases += 1
        self._runner.stop_all()
        self._herald.show()

    def _ready(self, job_name: str | None) -> None:
        """Somebody says so."""
        if job_name is None:
            self._gate.knocked()
            self._claimer.wake.set()
        elif job_name in self._served:
            self._gate.knocked()
            self._claimer.knocked(job_name)

    def _made_ready(self, *job_names: str) -> None:
        """Rows are ready by this daemon's doing; another one may have the free slot for them."""
        for job_name in job_names:
            self._claimer.knocked(job_name)
        self._claimer.wake.set()
        self._announcer.tell()

    def _promoted(self, job_names: list[str], count: int, for_others: int) -> None:
        for job_name in job_names:
            self._claimer.knocked(job_name)
        self._claimer.wake.set()
        if for_others or count > self._claimer.room:
            self._announcer.tell()

    def _beaten(self, others: list[asyncpg.Record]) -> None:
        self._rescuer.judge(others)
        if monotonic() >= self._look_due:
            self._look_due = monotonic() + self._look_interval - self._config.daemon.lease / 6
            self._look_again()

    def _rescued(self, count: int) -> None:
        self._figures.rescued_jobs += count
        self._look_again()
        if count:
            self._announcer.tell()

    def _look_again(self) -> None:
        """For whatever no notification told of: now and then, after a gap, after a rescue."""
        self._gate.try_again()
        self._claimer.wake.set()
        self._timer.expect(0)
        self._auditor.wake.set()
        self._rescuer.look_for_orphans()

    def _database_changed(self) -> None:
        """Gone or back: no idle connection is worth keeping."""
        self._figures.database_outages += self._link.away_since is not None
        self._client.pool.clear()
        self._transactions.clear()
        self._herald.show()


def _set_levels(config: Config) -> None:
    levels = {name: action.log_level for name, action in config.actions.items() if action.log_level}
    logs.set_levels(config.logging.level, levels)
