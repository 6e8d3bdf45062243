"""The worker processes of actions with isolation = "process".

A process is started when a job needs one, runs many jobs of its action one after the other, and ends when it
was idle for a while. At most [daemon] processes run jobs at a time: further jobs wait in their slots.
"""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from time import monotonic

from asyncjobd.actions.catalog import Action
from asyncjobd.actions.hooks import wrap_in_hooks
from asyncjobd.config.model import DaemonConfig
from asyncjobd.config.sizes import parse_size
from asyncjobd.context import Context
from asyncjobd.postgres.database import Database
from asyncjobd.result import JobResult
from asyncjobd.workers.protocol import Setup, encode
from asyncjobd.workers.worker import Worker

MAX_IDLE_SECONDS = 60.0  # after which an idle process ends
IDLE_CHECK_SECONDS = 15.0  # between two checks for such processes
# A cancelled handler has the shorter of these to end: a daemon that may lose its lease has a fifth of the
# lease to end its handlers before other daemons run their jobs.
MAX_CANCEL_SECONDS = 2.0
CANCEL_SHARE_OF_LEASE = 0.1
CLOSE_SECONDS = 5.0  # to wait for the end of all processes when the daemon stops


class WorkerPool:
    """A pool of worker processes, each of which serves one action as it was configured at its start."""

    def __init__(self, config: DaemonConfig, database: Database) -> None:
        self._limit = config.processes
        self._cancel_seconds = min(MAX_CANCEL_SECONDS, CANCEL_SHARE_OF_LEASE * config.lease.total_seconds())
        self._database = database
        self._places = asyncio.Semaphore(config.processes)
        self._actions: dict[str, Action] = {}  # the actions with isolation = "process"
        self._workers: set[Worker] = set()
        self._idle: list[tuple[float, Worker]] = []  # since when (monotonic); the longest idle first

    def isolate(self, actions: dict[str, Action]) -> dict[str, Action]:
        """Return the actions, with those that ask for it run in worker processes.

        Idle processes that fit none of them are ended now, busy ones after their job.
        """
        self._actions = {
            name: action for name, action in actions.items() if action.config.isolation == "process"
        }
        setups = {self._setup(action) for action in self._actions.values()}
        self._retire_idle(lambda since, worker: worker.setup not in setups)
        return actions | {name: self._isolated(action) for name, action in self._actions.items()}

    def _isolated(self, action: Action) -> Action:
        handler = replace(action.handler, run=partial(self._run, action))
        return replace(action, handler=wrap_in_hooks(handler, action.hooks, action.exceptions))

    def _setup(self, action: Action) -> bytes:
        """Return the first message for a process of the action, by which processes are also compared.

        It changes with the configuration of the action, and with the dsn, whose password may be renewed.
        """
        config = action.config
        limit = None if config.memory_limit is None else parse_size(config.memory_limit)
        setup = Setup(
            action.name,
            config.handler,
            config.options,
            config.fatal_exceptions,
            config.retried_exceptions,
            sys.path,
            self._database.dsn,
            self._database.schema,
            limit,
        )
        return encode(setup)

    async def _run(self, action: Action, context: Context) -> JobResult:
        async with self._places:
            setup = self._setup(action)
            worker = self._take_idle(setup) or self._start(action.name, setup)
            try:
                return await worker.run(context)
            finally:
                self._give_back(worker)

    def _take_idle(self, setup: bytes) -> Worker | None:
        """Return the process used last, so that those not needed stay idle and end."""
        for place in reversed(range(len(self._idle))):
            _, worker = self._idle[place]
            if worker.setup == setup and not worker.is_spent:
                del self._idle[place]
                return worker
        return None

    def _start(self, action: str, setup: bytes) -> Worker:
        live = sum(not worker.is_spent for worker in self._workers)
        if self._idle and live >= self._limit:
            self._idle.pop(0)[1].retire()  # it serves another action
        worker = Worker(action, setup, self._cancel_seconds)
        self._workers.add(worker)
        worker.lifetime.add_done_callback(lambda _: self._workers.discard(worker))
        return worker

    def _give_back(self, worker: Worker) -> None:
        action = self._actions.get(worker.action)
        if worker.is_spent or action is None or worker.setup != self._setup(action):
            worker.retire()
        else:
            self._idle.append((monotonic(), worker))

    async def run(self) -> None:
        """End processes that have been idle for MAX_IDLE_SECONDS, for ever."""
        while True:
            await asyncio.sleep(IDLE_CHECK_SECONDS)
            self._retire_idle(lambda since, worker: worker.is_spent or since < monotonic() - MAX_IDLE_SECONDS)

    def _retire_idle(self, is_due: Callable[[float, Worker], bool]) -> None:
        idle, self._idle = self._idle, []
        for since, worker in idle:
            if is_due(since, worker):
                worker.retire()
            else:
                self._idle.append((since, worker))

    async def close(self) -> None:
        """End idle processes, kill busy ones, and wait until they are gone."""
        idle = {worker for _, worker in self._idle}
        lifetimes = [worker.lifetime for worker in self._workers]
        for worker in list(self._workers):
            worker.retire() if worker in idle else worker.kill()
        if lifetimes:
            await asyncio.wait(lifetimes, timeout=CLOSE_SECONDS)
