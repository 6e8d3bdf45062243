"""A world: daemons, clients and faults for a while, all by one plan."""

import asyncio
import os
import random
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

import msgspec

from asyncjobd.config.model import RetentionConfig
from tests.faults.client import Client
from tests.simulation.clock import Clock
from tests.simulation.database import SteeredDatabase
from tests.simulation.faults import FARTHEST_STEP, FAULTS
from tests.simulation.feature import PROMPT_SECONDS, Feature
from tests.simulation.handlers import Notes
from tests.simulation.keys import Keys
from tests.simulation.limits import Limits
from tests.simulation.loop import VirtualLoop, owner
from tests.simulation.machine import KINDS, Machine
from tests.simulation.oracle import judge
from tests.simulation.pauses import Pauses
from tests.simulation.plan import Host, Plan, Strike
from tests.simulation.producer import Producer
from tests.simulation.pruning import RETENTION, Pruning
from tests.simulation.refusals import Refusals
from tests.simulation.retries import Retries
from tests.simulation.route import Route
from tests.simulation.schedules import Schedules
from tests.simulation.server import Server
from tests.simulation.story import Story
from tests.simulation.watch import note_step

SETTLED = (
    "select count(*) from asyncjob.job where status in ('Queued', 'In Progress') or daemon_id is not null"
)
SETTLE_SECONDS = 200.0 + FARTHEST_STEP  # within which all jobs have ended, after the last fault
JOB_SECONDS = 12.0  # more for each job that is left, shared by all slots
STOP_SECONDS = 60.0
PROBES = 6
FEATURES: list[type[Feature]] = [Limits, Pauses, Schedules, Keys, Retries, Pruning, Refusals]


class Outcome(msgspec.Struct):
    """The outcome of a world."""

    plan: Plan
    violations: list[str] = []
    seconds: float = 0.0  # of virtual time
    jobs: int = 0
    executions: int = 0
    statements: int = 0
    digest: str = ""  # of all that happened
    queries: list[str] = []  # that were run


def plan_of(seed: int, seconds: float) -> Plan:
    """Return what the seed decides, with `seconds` of load and faults."""
    return Plan.of(seed, seconds, sorted(KINDS), sorted(FAULTS))


class World:
    def __init__(self, plan: Plan, dsn: str, clock: Clock, folder: Path) -> None:
        self.clock = clock
        self.story = Story(clock)
        self._plan = plan
        self._dsn = dsn
        self._folder = folder
        self._violations: list[str] = []

    def run(self) -> Outcome:
        """Run the world, and return its outcome."""
        random.seed(self._plan.seed)  # for the jitter of the engine
        self.clock.reset()
        Notes.file = os.open(self._folder / "ledger", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        loop = VirtualLoop(self.clock, self._random("turns"))
        asyncio.set_event_loop(loop)
        self.server = Server(self._dsn, self._notify)
        self.server.empty()
        self.story.tell(self._folder)
        outcome = Outcome(self._plan)
        try:
            loop.run_until_complete(self._live(outcome))
        except Exception as error:
            self._violations.append(f"the world ended with {error!r}")
        self.server.close()
        outcome.violations = self._violations + loop.errors + self.story.key_errors
        outcome.seconds = self.clock.elapsed
        outcome.statements = self.server.statements
        outcome.digest = self.story.digest
        outcome.queries = sorted(self.story.queries)
        return outcome

    def _random(self, purpose: str) -> random.Random:
        """Return a source of random numbers that only one purpose draws from."""
        return random.Random(f"{self._plan.seed} {purpose}")

    def _notify(self, channel: str, payload: str) -> None:
        for machine in self.machines:
            machine.notify(channel, payload)

    async def _live(self, outcome: Outcome) -> None:
        plan = self._plan
        self._clients: list[Route] = []
        self.machines = [self._machine(f"d{n}", host) for n, host in enumerate(plan.hosts)]
        self.prober = self._client("prober")
        producers = [
            Producer(self._client(name, 10**9 * n), plan, self._random(name))
            for n, name in enumerate((f"producer {n}" for n in range(plan.producers)), 1)
        ]
        features = [
            feature(self._client, plan, self._random(f"{feature.name} acts"))
            for feature in FEATURES
            if feature.name in plan.features
        ]
        for machine in self.machines:
            machine.start()
        async with asyncio.TaskGroup() as group:
            supervising = group.create_task(self._supervise())
            async with asyncio.TaskGroup() as acting:
                for producer in producers:
                    acting.create_task(producer.run(plan.seconds))
                for feature in features:
                    acting.create_task(feature.run(plan.seconds))
                for strike in plan.strikes:
                    acting.create_task(self._strike(strike))
            self.step_server(0)
            await self._one_by_one(feature.let_end for feature in features)
            await self._settle()
            await self._one_by_one(feature.let_start for feature in features)
            await self._probe()
            supervising.cancel()
        await self._stop()
        ledger = judge(
            self._folder / "ledger", self.machines, producers, features, self.server, plan, self._violations
        )
        outcome.jobs, outcome.executions = len(ledger.kinds), len(ledger.executions)

    def _machine(self, name: str, host: Host) -> Machine:
        plan, chance = self._plan, self._random(f"machine {name.removeprefix('d')}")
        retention = RETENTION if Pruning.name in plan.features else RetentionConfig()
        return Machine(name, self._folder, self._database, host, plan.latency, chance, retention)

    def _client(self, name: str, first_batch: int = 0) -> Client:
        route = Route(self._random(f"{name}'s way"), self._plan.latency)
        self._clients.append(route)
        database = self._database(route)

        async def connect() -> Any:
            owner.set(name)
            return await database.connect(name)

        return Client(connect, self._plan.seed, first_batch)

    def _database(self, route: Route) -> SteeredDatabase:
        """Return the database as it is seen along this way."""
        return SteeredDatabase(self._dsn, self.server, route, self.story)

    def cut_clients(self) -> None:
        """End the sessions of all clients."""
        for route in self._clients:
            route.cut()

    def step_server(self, micros: int) -> None:
        """Set the server's clock to so many microseconds after the time, or before it."""
        self.clock.step_server(micros)
        note_step(self.server)
        self.server.check_timeouts()

    async def _one_by_one(self, acts: Iterable[Callable[[], Coroutine[Any, Any, None]]]) -> None:
        """Let clients act one after the other."""
        for act in acts:
            await asyncio.create_task(act())

    async def _supervise(self) -> None:
        """Start daemons that have ended anew, as systemd does."""
        choose = self._random("restarts")
        while True:
            for machine in self.machines:
                if machine.has_ended:
                    machine.start()
            await asyncio.sleep(choose.uniform(0.2, 3))

    async def _strike(self, strike: Strike) -> None:
        await asyncio.sleep(strike.at)
        machine = self.machines[strike.machine]
        async with machine.fault:  # one after the other
            if not machine.has_ended:
                self.story.note("world", strike.fault, machine=machine.life.name, lasts=strike.lasts)
                await FAULTS[strike.fault](self, machine, strike)
                self.story.note("world", f"{strike.fault} is over", machine=machine.life.name)

    async def _settle(self) -> None:
        patience = SETTLE_SECONDS + self.server.run(SETTLED)[0][0] * JOB_SECONDS / self._plan.slots
        deadline = self.clock.elapsed + patience
        while left := self.server.run(SETTLED)[0][0]:
            if self.clock.elapsed > deadline:
                self._violations.append(f"{left} jobs have not ended {patience:.0f} s after the last fault")
                return
            await asyncio.sleep(1)

    async def _probe(self) -> None:
        """Check that a row starts soon where daemons have nothing else to do."""
        choose = self._random("probes")
        for _ in range(PROBES):
            await asyncio.sleep(choose.choice([0.0, 0.05, 1, 5]))
            took = await self.prober.probe_once()
            if took > PROMPT_SECONDS:
                self._violations.append(f"a row waited for {took:.1f} s while all daemons were idle")

    async def _stop(self) -> None:
        for machine in self.machines:
            machine.stop()
        async with asyncio.timeout(STOP_SECONDS):
            while not all(machine.has_ended for machine in self.machines):
                await asyncio.sleep(0.1)
