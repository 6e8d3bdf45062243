"""The worker processes of isolated actions: started when a job needs one, used for many jobs, ended when idle.

One that is idle takes the next job of its action. No more are busy than [daemon] processes: further jobs wait in their
slots, as synchronous functions wait for threads.
"""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from time import monotonic

from asyncjobd.actions.catalog import Action
from asyncjobd.actions.middleware import wrap
from asyncjobd.config.model import DaemonConfig
from asyncjobd.config.sizes import parse_size
from asyncjobd.context import Context
from asyncjobd.postgres.database import Database
from asyncjobd.result import JobResult
from asyncjobd.workers.protocol import Setup, encode
from asyncjobd.workers.worker import Worker

LONGEST_IDLE = 60.0  # seconds
INTERVAL = 15.0  # seconds between two looks for what has been idle for so long
LONGEST_GRACE = 2.0  # seconds for a cancelled handler to end; or a tenth of the lease, if that is less:
SHARE_OF_LEASE = 0.1  # a daemon that may lose its jobs has a fifth of it to end them, before others run them
LAST_WAIT = 5.0  # seconds for all to be gone at a stop


class WorkerPool:
    def __init__(self, config: DaemonConfig, database: Database) -> None:
        self._limit = config.processes
        self._grace = min(LONGEST_GRACE, SHARE_OF_LEASE * config.lease.total_seconds())
        self._database = database
        self._places = asyncio.Semaphore(config.processes)
        self._actions: dict[str, Action] = {}  # the present ones
        self._workers: set[Worker] = set()
        self._idle: list[tuple[float, Worker]] = []  # since when; the longest first

    def isolate(self, actions: dict[str, Action]) -> dict[str, Action]:
        """The actions, with processes for those that are isolated. Other processes end, as soon as they are idle."""
        self._actions = {
            name: action for name, action in actions.items() if action.config.isolation == "process"
        }
        setups = {self._setup(action) for action in self._actions.values()}
        self._end_idle(lambda since, worker: worker.setup not in setups)
        return actions | {
            name: replace(
                action, handler=wrap(replace(action.handler, run=partial(self._run, action)), action.hooks)
            )
            for name, action in self._actions.items()
        }

    def _setup(self, action: Action) -> bytes:
        """Return the setup of a process that starts now. It changes with the dsn, which may have a new password."""
        config = action.config
        limit = None if config.memory_limit is None else parse_size(config.memory_limit)
        setup = Setup(
            action.name,
            config.handler,
            config.options,
            sys.path,
            self._database.dsn,
            self._database.schema,
            limit,
        )
        return encode(setup)

    async def _run(self, action: Action, context: Context) -> JobResult:
        async with self._places:
            setup = self._setup(action)
            worker = self._idle_one(setup) or self._new(action.name, setup)
            try:
                return await worker.run(context)
            finally:
                self._give_back(worker)

    def _idle_one(self, setup: bytes) -> Worker | None:
        """The one used last, so that those not needed are idle for long."""
        for place in reversed(range(len(self._idle))):
            _, worker = self._idle[place]
            if worker.setup == setup and not worker.is_spent:
                del self._idle[place]
                return worker
        return None

    def _new(self, action: str, setup: bytes) -> Worker:
        if (
            self._idle and sum(not worker.is_spent for worker in self._workers) >= self._limit
        ):  # for another action
            self._idle.pop(0)[1].end()
        worker = Worker(action, setup, self._grace)
        self._workers.add(worker)
        worker.life.add_done_callback(lambda _: self._workers.discard(worker))
        return worker

    def _give_back(self, worker: Worker) -> None:
        action = self._actions.get(worker.action)
        if worker.is_spent or action is None or worker.setup != self._setup(action):
            worker.end()
        else:
            self._idle.append((monotonic(), worker))

    async def run(self) -> None:
        """Ends what has been idle for long."""
        while True:
            await asyncio.sleep(INTERVAL)
            self._end_idle(lambda since, worker: worker.is_spent or since < monotonic() - LONGEST_IDLE)

    def _end_idle(self, is_over: Callable[[float, Worker], bool]) -> None:
        idle, self._idle = self._idle, []
        for since, worker in idle:
            if is_over(since, worker):
                worker.end()
            else:
                self._idle.append((since, worker))

    async def close(self) -> None:
        """Ends all; what still runs, at once."""
        idle = {worker for _, worker in self._idle}
        lives = [worker.life for worker in self._workers]
        for worker in list(self._workers):
            worker.end() if worker in idle else worker.kill()
        if lives:
            await asyncio.wait(lives, timeout=LAST_WAIT)
