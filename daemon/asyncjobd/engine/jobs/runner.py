"""Runs handlers as concurrent coroutines, each within its timeout.

A task runs one job after another for a short turn, and then ends. When it takes a job while more wait, it starts the
next task, which begins once the handler waits for something or the turn ends. So there are as many tasks as handlers
that wait, and one alone if none does.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterable
from contextvars import copy_context
from time import monotonic

import structlog

from asyncjobd.actions.catalog import ActionCatalog
from asyncjobd.client import Client
from asyncjobd.context import Context
from asyncjobd.engine.jobs.execution import Execution
from asyncjobd.engine.jobs.finished import FinishedExecution
from asyncjobd.engine.jobs.progress_writer import ProgressWriter
from asyncjobd.engine.jobs.recorder import Recorder
from asyncjobd.engine.jobs.slots import Key, Slots
from asyncjobd.engine.wake import Wake
from asyncjobd.job import ClaimedJob
from asyncjobd.postgres.transaction import Transaction
from asyncjobd.result import Outcome

MAX_TURN = 0.002  # seconds for which a task goes on to the next job
MIN_DEADLINES = 100  # deadlines that are kept without looking whether their executions still run
CANCEL_INTERVAL = 1.0  # seconds after which a handler that swallowed its cancellation is cancelled again
IDLE_CHECK_INTERVAL = 0.1  # seconds between two looks whether a drain is to be hurried

log = structlog.get_logger("asyncjobd.runner")


class Runner:
    def __init__(
        self,
        slots: Slots,
        catalog: ActionCatalog,
        recorder: Recorder,
        progress: ProgressWriter,
        client: Client,
        begin: Callable[[], Transaction],
    ) -> None:
        """`begin` makes the transaction that a handler asks for."""
        self._slots = slots
        self._catalog = catalog
        self._recorder = recorder
        self._progress = progress
        self._client = client
        self._begin = begin
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        self._is_starting = False  # a task was started that has had no turn yet
        self._is_draining = False
        self._deadlines: list[tuple[float, Key]] = []  # a heap; monotonic times
        self._new_deadline = Wake()
        self._log = log.bind()  # bound once, as binding takes longer than a log call that is filtered out
        self._log_version = catalog.version  # a reload may have changed the levels

    def start(self, jobs: Iterable[ClaimedJob], claim_token: int) -> None:
        """Run each of these jobs as soon as a slot is free. None begins after the begin of a drain."""
        self._slots.add(jobs, claim_token)
        self._start_task()

    def _start_task(self) -> None:
        if self._has_next and not self._is_starting:
            self._is_starting = True
            self._loop.create_task(self._work(), context=self._context.copy())

    @property
    def _has_next(self) -> bool:
        """True if a job waits and can begin now."""
        return bool(self._slots.waiting) and not self._slots.is_full and not self._is_draining

    async def _work(self) -> None:
        self._is_starting = False
        task = asyncio.current_task()
        assert task is not None
        turn_ends = monotonic() + MAX_TURN
        slots = self._slots
        try:
            while self._has_next:
                await self._execute(*slots.waiting.popitem(last=False), task)
                # nothing that a handler leaves behind in the task is for the next one
                if monotonic() > turn_ends or task.cancelling() or copy_context() != self._context:
                    return
        finally:
            self._start_task()

    async def _execute(self, key: Key, job: ClaimedJob, task: "asyncio.Task[None]") -> None:
        if self._log_version != self._catalog.version:
            self._log, self._log_version = log.bind(), self._catalog.version
        self._log.debug(
            "job.started", job_id=job.id, job_name=job.job_name, execution_count=job.execution_count
        )
        context = Context(job, key[1], self._progress.report, self._client, self._begin)
        execution = Execution(context, self._catalog.known[job.job_name], task)
        self._slots.running[key] = execution
        if execution.deadline is not None:
            self._cancel_at(execution.deadline, key)
        self._start_task()
        try:
            finished = await execution.perform()
        finally:
            self._slots.finish(key, job)
        self._recorder.add(finished)

    def stop(self, key: Key) -> None:
        """Cancel an execution that a client has stopped. Its record then frees the row."""
        if (job := self._find_unstopped(key)) is not None:
            log.info("job.stopping", job_id=job.id, job_name=job.job_name)
            self._stop(key)

    def disown(self, lost: Iterable[Key]) -> None:
        """Stop executions whose rows are gone or have another owner."""
        for key in lost:
            if (job := self._find_unstopped(key)) is not None:
                log.warning("job.disowned", job_id=job.id, job_name=job.job_name)
                self._stop(key)

    def stop_all(self) -> None:
        """Stop all that runs or waits for a slot."""
        for key in list(self._slots.keys()):
            self._stop(key)

    def _stop_waiting(self) -> None:
        for key in list(self._slots.waiting):
            self._stop(key)

    def _find_unstopped(self, key: Key) -> ClaimedJob | None:
        """Return the job of this key, unless it is not here or was stopped before."""
        execution = self._slots.running.get(key)
        if execution is None:
            return self._slots.waiting.get(key)
        return execution.context.job if execution.context.stop_reason is None else None

    def _stop(self, key: Key) -> None:
        if (job := self._slots.remove_waiting(key)) is not None:
            self._recorder.add(FinishedExecution.not_begun(job, key[1]))
        elif (execution := self._slots.running.get(key)) is not None:
            self._cancel(key, execution, Outcome.STOPPED)

    async def run(self) -> None:
        """Cancel the executions that are past their timeout, or ignore a cancellation."""
        while True:
            now = monotonic()
            while self._deadlines and self._deadlines[0][0] <= now:
                _, key = heapq.heappop(self._deadlines)
                if (execution := self._slots.running.get(key)) is not None:
                    self._cancel(key, execution, Outcome.TIMEOUT)
            await self._new_deadline.wait(self._deadlines[0][0] - now if self._deadlines else None)

    async def drain(self, grace: float, hurry: asyncio.Event, cancel_grace: float) -> None:
        """Let executions end for `grace` seconds (less once `hurry` is set), then cancel them.

        Return when all have ended, or `cancel_grace` seconds after they were cancelled.
        """
        self._is_draining = True
        self._stop_waiting()
        await self._wait_until_idle(grace, hurry)
        self.stop_all()
        await self._wait_until_idle(cancel_grace)
        for execution in self._slots.running.values():
            job = execution.context.job
            log.error(
                "job.stuck", job_id=job.id, job_name=job.job_name, reason="it does not end when cancelled"
            )

    async def _wait_until_idle(self, seconds: float, hurry: asyncio.Event | None = None) -> None:
        deadline = monotonic() + seconds
        while self._slots.running and (left := deadline - monotonic()) > 0:
            if hurry is not None and hurry.is_set():
                return
            await self._slots.freed.wait(min(left, IDLE_CHECK_INTERVAL))

    def _cancel(self, key: Key, execution: Execution, outcome: Outcome) -> None:
        execution.cancel(outcome)
        self._cancel_at(monotonic() + CANCEL_INTERVAL, key)

    def _cancel_at(self, when: float, key: Key) -> None:
        running = self._slots.running
        if len(self._deadlines) > 2 * len(running) + MIN_DEADLINES:  # most are of executions that have ended
            self._deadlines = [each for each in self._deadlines if each[1] in running]
            heapq.heapify(self._deadlines)
        heapq.heappush(self._deadlines, (when, key))
        self._new_deadline.set()
