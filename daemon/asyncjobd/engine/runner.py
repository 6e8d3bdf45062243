"""Runs handlers as concurrent coroutines, within their number and their time."""

import asyncio
import heapq
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from time import monotonic

import structlog

from asyncjobd.actions import Action
from asyncjobd.client import Client
from asyncjobd.context import Context
from asyncjobd.engine.execution import Execution
from asyncjobd.engine.recorder import Recorder
from asyncjobd.engine.reporter import Reporter
from asyncjobd.engine.wake import Wake
from asyncjobd.job import ClaimedJob
from asyncjobd.result import Outcome
from asyncjobd.transaction import Transaction

CANCEL_AGAIN = 1.0  # seconds after which a handler that swallowed its cancellation is cancelled again

log = structlog.get_logger("asyncjobd.runner")


class Runner:
    def __init__(
        self,
        actions: dict[str, Action],
        concurrency: int,
        recorder: Recorder,
        reporter: Reporter,
        client: Client,
        begin: Callable[[], Transaction],
    ) -> None:
        self._actions = actions
        self.concurrency = concurrency
        self._recorder = recorder
        self._reporter = reporter
        self._client = client
        self._begin = begin
        self._is_draining = False
        self._running: dict[tuple[int, int], Execution] = {}  # by job id and lease
        self._waiting: dict[tuple[int, int], ClaimedJob] = {}  # for a slot
        self._log = log.bind()
        self._deadlines: list[tuple[float, int, int]] = []  # when, job id, lease
        self._new_deadline = Wake()
        self.freed = Wake()
        self.ended = 0  # executions, until now

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def free(self) -> int:
        """Slots for which nothing waits; less than 0 where more waits."""
        return self.concurrency - len(self._running) - len(self._waiting)

    def start(self, job: ClaimedJob, lease: int) -> None:
        """At once if a slot is free, else as soon as one is."""
        if len(self._running) < self.concurrency:
            self._begin_one(job, lease)
        else:
            self._waiting[job.id, lease] = job

    def take_waiting(self) -> list[tuple[int, int]]:
        """(job id, lease) of what has not begun; it never will."""
        taken, self._waiting = list(self._waiting), {}
        return taken

    def _begin_one(self, job: ClaimedJob, lease: int) -> Execution:
        self._log.debug("job.started", job_id=job.id, job_name=job.job_name, execution_count=job.execution_count)
        context = Context(job, lease, self._reporter.report, self._client, self._begin)
        execution = Execution(context, self._actions[job.job_name])
        self._running[job.id, lease] = execution
        execution.start(self._execute(execution))
        if execution.deadline is not None:
            self._cancel_at(execution.deadline, execution)
        if self._is_draining:  # its claim was answered late
            self._cancel(execution, Outcome.STOPPED)
        return execution

    async def _execute(self, execution: Execution) -> None:
        try:
            ended = await execution.perform()
        finally:
            del self._running[execution.context.job.id, execution.context.lease]
            self.ended += 1
            self.freed.set()
            if self._waiting and len(self._running) < self.concurrency:
                key = next(iter(self._waiting))
                self._begin_one(self._waiting.pop(key), key[1])
        self._recorder.add(ended)

    def stop(self, job_id: int, lease: int) -> None:
        """A client stopped this execution: cancel it; its record is the acknowledgement."""
        execution = self._find(job_id, lease)
        if execution is not None:
            log.info("job.stopping", job_id=job_id, job_name=execution.context.job.job_name)
            self._cancel(execution, Outcome.STOPPED)

    def lose(self, lost: Iterable[tuple[int, int]]) -> None:
        """These executions have no row any more, or not theirs."""
        for job_id, lease in lost:
            execution = self._find(job_id, lease)
            if execution is not None:
                log.warning("job.disowned", job_id=job_id, job_name=execution.context.job.job_name)
                self._cancel(execution, Outcome.STOPPED)

    def _find(self, job_id: int, lease: int) -> Execution | None:
        """What waits is begun, so that it can be stopped."""
        if (job := self._waiting.pop((job_id, lease), None)) is not None:
            self._begin_one(job, lease)
        return self._running.get((job_id, lease))

    def cancel_all(self) -> None:
        self._cancel_waiting()
        for execution in list(self._running.values()):
            self._cancel(execution, Outcome.STOPPED)

    def _cancel_waiting(self) -> None:
        for key in list(self._waiting):
            if (execution := self._find(*key)) is not None:
                self._cancel(execution, Outcome.STOPPED)

    def executions(self) -> Iterator[tuple[int, int]]:
        """(job id, lease) of all that runs or waits for a slot."""
        return chain(self._running, self._waiting)

    async def run(self) -> None:
        """Cancels what runs past its deadline, one timer for all."""
        while True:
            now = monotonic()
            while self._deadlines and self._deadlines[0][0] <= now:
                _, job_id, lease = heapq.heappop(self._deadlines)
                execution = self._running.get((job_id, lease))
                if execution is not None:
                    self._cancel(execution, Outcome.TIMEOUT)
            await self._new_deadline.wait(self._deadlines[0][0] - now if self._deadlines else None)

    async def drain(self, grace: float, hurry: asyncio.Event, last_wait: float) -> None:
        """Gives what runs `grace` seconds to end, less in a hurry, then cancels it."""
        self._cancel_waiting()
        await self._wait_idle(grace, hurry)
        self._is_draining = True
        self.cancel_all()
        await self._wait_idle(last_wait)
        for (job_id, _), execution in self._running.items():
            log.error(
                "job.stuck",
                job_id=job_id,
                job_name=execution.context.job.job_name,
                reason="does not end when cancelled",
            )

    async def _wait_idle(self, seconds: float, hurry: asyncio.Event | None = None) -> None:
        deadline = monotonic() + seconds
        while self._running and (left := deadline - monotonic()) > 0:
            if hurry is not None and hurry.is_set():
                return
            await self.freed.wait(min(left, 0.1))

    def _cancel(self, execution: Execution, ending: Outcome) -> None:
        execution.cancel(ending)
        self._cancel_at(monotonic() + CANCEL_AGAIN, execution)

    def _cancel_at(self, when: float, execution: Execution) -> None:
        heapq.heappush(self._deadlines, (when, execution.context.job.id, execution.context.lease))
        self._new_deadline.set()
