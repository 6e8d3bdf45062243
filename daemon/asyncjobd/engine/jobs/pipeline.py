"""The way of a row through a daemon, wired: scheduler, timer, claimer, runner, recorder, resolver."""

import asyncio
from collections.abc import Callable
from random import Random

from asyncjobd.actions.catalog import ActionCatalog
from asyncjobd.actions.controls import Controls
from asyncjobd.client import Client
from asyncjobd.engine.jobs.claimer import Claimer
from asyncjobd.engine.jobs.claims import Claims
from asyncjobd.engine.jobs.handover import Handover
from asyncjobd.engine.jobs.limited_claims import LimitedClaims
from asyncjobd.engine.jobs.occupancy import Occupancy
from asyncjobd.engine.jobs.prefetch import Prefetch
from asyncjobd.engine.jobs.progress_writer import ProgressWriter
from asyncjobd.engine.jobs.recorder import Recorder
from asyncjobd.engine.jobs.resolver import Resolver
from asyncjobd.engine.jobs.runner import Runner
from asyncjobd.engine.jobs.scheduler import Scheduler
from asyncjobd.engine.jobs.slots import Slots
from asyncjobd.engine.jobs.timer import Timer
from asyncjobd.engine.lease import Lease
from asyncjobd.engine.quarantine import Quarantine
from asyncjobd.engine.signals import Signals
from asyncjobd.engine.wakeup.notify_gate import NotifyGate
from asyncjobd.observability.metrics.counters import DaemonMetrics
from asyncjobd.postgres.link import Link
from asyncjobd.postgres.session import Session
from asyncjobd.postgres.transaction import Transaction


class Pipeline:
    """The parts that move rows. The daemon runs each of them; `drain` empties them in order."""

    def __init__(
        self,
        link: Link,
        daemon_id: int,
        concurrency: int,
        catalog: ActionCatalog,
        controls: Controls,
        quarantine: Quarantine,
        gate: NotifyGate,
        client: Client,
        begin: Callable[[], Transaction],
        metrics: DaemonMetrics,
        signals: Signals,
        lease: Lease,
        chance: Random,
        sweep_interval: float,
    ) -> None:
        """Wire the parts. Handlers get `client`, and a transaction made by `begin` if they ask for one.

        The tokens of claims are drawn from `chance`. Every `sweep_interval` seconds, rows that wait for other jobs are
        looked at without being asked for.
        """
        self.slots = Slots(concurrency)
        self.recorder = Recorder(Session(link, "recorder"), metrics, controls, signals)
        self.progress = ProgressWriter(Session(link, "progress writer"))
        self.runner = Runner(self.slots, catalog, self.recorder, self.progress, client, begin)
        session = Session(link, "claimer")
        occupancy = Occupancy(self.slots, self.recorder, controls)
        claims = Claims(session, daemon_id, quarantine, self.recorder, occupancy, lease, chance)
        prefetch = Prefetch(self.slots)
        handover = Handover(session, claims, self.slots, prefetch, self.runner, signals, lease)
        limited = LimitedClaims(claims, handover, prefetch, controls)
        self.claimer = Claimer(
            session, claims, limited, handover, self.slots, prefetch, self.recorder, gate, catalog, controls,
            signals, lease.held,
        )  # fmt: skip
        self.scheduler = Scheduler(Session(link, "scheduler"), catalog, signals)
        self.timer = Timer(Session(link, "timer"), quarantine, catalog, signals)
        self.resolver = Resolver(Session(link, "resolver"), quarantine, signals, sweep_interval)

    async def drain(
        self,
        grace: float,
        hurry: asyncio.Event,
        *,
        cancel_grace: float,
        claim_patience: float,
        patience: float,
    ) -> None:
        """Claim no more, let executions end for `grace` seconds, and record all outcomes.

        Once `hurry` is set, executions are not waited for any more. Cancelled ones have `cancel_grace` seconds to end.
        The database has `claim_patience` seconds to answer a claim, and in a hurry `patience` to take outcomes.
        """
        await self.claimer.stop(claim_patience)
        await self.runner.drain(grace, hurry, cancel_grace)
        await self.recorder.drain(hurry, patience)
