"""Runs handlers as concurrent coroutines, within their number and their time.

A worker is a task that runs one job after the other for a short turn, and then ends. When it takes a job while more
wait, it calls the next worker, which begins once the handler waits for something, or the turn ends: so there are as
many workers as handlers that wait, and one alone where none does.
"""

import asyncio
import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from itertools import chain
from time import monotonic

import structlog

from asyncjobd.actions.catalog import Action
from asyncjobd.client import Client
from asyncjobd.context import Context
from asyncjobd.engine.jobs.execution import Execution, FinishedExecution
from asyncjobd.engine.jobs.progress import ProgressWriter
from asyncjobd.engine.jobs.recorder import Recorder
from asyncjobd.engine.wake import Wake
from asyncjobd.job import ClaimedJob
from asyncjobd.postgres.transaction import Transaction
from asyncjobd.result import Outcome

LONGEST_TURN = 0.002  # seconds for which a worker goes on to the next job
FEW = 100  # deadlines that are kept without looking whether their executions still run
CANCEL_AGAIN = 1.0  # seconds after which a handler that swallowed its cancellation is cancelled again

log = structlog.get_logger("asyncjobd.runner")


class Runner:
    def __init__(
        self,
        actions: dict[str, Action],
        concurrency: int,
        recorder: Recorder,
        reporter: ProgressWriter,
        client: Client,
        begin: Callable[[], Transaction],
    ) -> None:
        self._actions: dict[str, Action] = {}
        self.concurrency = concurrency
        self._recorder = recorder
        self._reporter = reporter
        self._client = client
        self._begin = begin
        self._is_draining = False
        self._is_called = False  # a worker that had no turn yet
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        self._running: dict[tuple[int, int], Execution] = {}  # by job id and lease
        self._waiting: OrderedDict[tuple[int, int], ClaimedJob] = OrderedDict()  # for a slot
        self.size = 0  # bytes of the params of all that runs or waits
        self._deadlines: list[tuple[float, int, int]] = []  # when, job id, lease
        self._new_deadline = Wake()
        self.started = Wake()  # something was, since somebody looked
        self.freed = Wake()
        self.ended = 0  # executions, until now
        self.serve(actions)

    def serve(self, actions: dict[str, Action]) -> None:
        """From the next start on. What was claimed of one that is gone still runs."""
        self._actions = self._actions | actions
        self._log = log.bind()  # what the module's would do anew each time

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        return len(self._running) >= self.concurrency

    @property
    def free(self) -> int:
        """Slots for which nothing waits; less than 0 where more waits."""
        return self.concurrency - len(self._running) - len(self._waiting)

    def start(self, jobs: Iterable[ClaimedJob], lease: int) -> None:
        """Each as soon as a slot is free."""
        for job in jobs:
            self._waiting[job.id, lease] = job
            self.size += job.size
        self.started.set()
        if self._is_draining:  # their claim was answered late
            self._stop_waiting()
        self._call_worker()

    def take_waiting(self) -> dict[tuple[int, int], ClaimedJob]:
        """What has not begun, by job id and lease; it never will."""
        taken, self._waiting = self._waiting, OrderedDict()
        self.size -= sum(job.size for job in taken.values())
        return taken

    @property
    def runs_alone(self) -> bool:
        """Return whether a job that is not to meet another one of its kind is here."""
        running = (execution.context.job for execution in self._running.values())
        return any(job.runs_alone for job in chain(running, self._waiting.values()))

    def _call_worker(self) -> None:
        if self._waiting and not self._is_called and not self.is_full:
            self._is_called = True
            self._loop.create_task(self._work(), context=self._context.copy())

    async def _work(self) -> None:
        self._is_called = False
        task = asyncio.current_task()
        assert task is not None
        turn_ends = monotonic() + LONGEST_TURN
        try:
            while self._waiting and not self.is_full:
                await self._execute(*self._waiting.popitem(last=False), task)
                # of what a handler leaves behind, nothing is for the next
                if monotonic() > turn_ends or task.cancelling() or copy_context() != self._context:
                    return
        finally:
            self._call_worker()

    async def _execute(self, key: tuple[int, int], job: ClaimedJob, task: "asyncio.Task[None]") -> None:
        self._log.debug(
            "job.started", job_id=job.id, job_name=job.job_name, execution_count=job.execution_count
        )
        context = Context(job, key[1], self._reporter.report, self._client, self._begin)
        self._running[key] = execution = Execution(context, self._actions[job.job_name], task)
        if execution.deadline is not None:
            self._cancel_at(execution.deadline, execution)
        self._call_worker()
        try:
            ended = await execution.perform()
        finally:
            del self._running[key]
            self.size -= job.size
            self.ended += 1
            self.freed.set()
        self._recorder.add(ended)

    def stop(self, job_id: int, lease: int) -> None:
        """A client stopped this execution: its record is the acknowledgement."""
        if (job := self._unasked(job_id, lease)) is not None:
            log.info("job.stopping", job_id=job_id, job_name=job.job_name)
            self._stop(job_id, lease)

    def lose(self, lost: Iterable[tuple[int, int]]) -> None:
        """These executions have no row any more, or not theirs."""
        for job_id, lease in lost:
            if (job := self._unasked(job_id, lease)) is not None:
                log.warning("job.disowned", job_id=job_id, job_name=job.job_name)
                self._stop(job_id, lease)

    def stop_all(self) -> None:
        for key in list(self.executions()):
            self._stop(*key)

    def _stop_waiting(self) -> None:
        for key in list(self._waiting):
            self._stop(*key)

    def _unasked(self, job_id: int, lease: int) -> ClaimedJob | None:
        """Its job, unless it was asked to end before."""
        execution = self._running.get((job_id, lease))
        if execution is None:
            return self._waiting.get((job_id, lease))
        return execution.context.job if execution.context.stop_reason is None else None

    def _stop(self, job_id: int, lease: int) -> None:
        if (job := self._waiting.pop((job_id, lease), None)) is not None:
            self.size -= job.size
            self._recorder.add(FinishedExecution.unbegun(job, lease))
        elif (execution := self._running.get((job_id, lease))) is not None:
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
        self._stop_waiting()
        await self._wait_idle(grace, hurry)
        self._is_draining = True
        self.stop_all()
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
        if len(self._deadlines) > 2 * len(self._running) + FEW:  # most are of executions that have ended
            self._deadlines = [each for each in self._deadlines if each[1:] in self._running]
            heapq.heapify(self._deadlines)
        heapq.heappush(self._deadlines, (when, execution.context.job.id, execution.context.claim_token))
        self._new_deadline.set()
