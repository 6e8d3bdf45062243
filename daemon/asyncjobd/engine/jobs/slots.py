"""The slots of a daemon: the executions that run, and the claimed jobs that wait to."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TypeAlias

from asyncjobd.engine.jobs.execution import Execution
from asyncjobd.engine.wake import Wake
from asyncjobd.job import ClaimedJob

Key: TypeAlias = tuple[int, int]  # job id and claim token


class Slots:
    """Up to `concurrency` executions run at a time. Jobs that are claimed ahead wait for a slot, in their order."""

    def __init__(self, concurrency: int) -> None:
        self.concurrency = concurrency
        self.running: dict[Key, Execution] = {}
        self.waiting: OrderedDict[Key, ClaimedJob] = OrderedDict()
        self.params_size = 0  # bytes of the params of all that runs or waits
        self.finished = 0  # executions, since the start
        self.filled = Wake()  # set when jobs were added
        self.freed = Wake()  # set when an execution has ended

    @property
    def in_use(self) -> int:
        """The number of executions that run. Any thread may ask."""
        return len(self.running)

    @property
    def is_full(self) -> bool:
        return len(self.running) >= self.concurrency

    @property
    def occupied(self) -> int:
        """The number of jobs that run or wait. It exceeds `concurrency` while jobs are claimed ahead."""
        return len(self.running) + len(self.waiting)

    @property
    def free(self) -> int:
        """The number of jobs that could be added and start now."""
        return max(0, self.concurrency - self.occupied)

    @property
    def has_prefetched(self) -> bool:
        """True while more jobs wait than there are free slots."""
        return self.occupied > self.concurrency

    @property
    def runs_alone(self) -> bool:
        """True while a job is here that may have killed its daemon: no second such job runs beside it."""
        return any(job.runs_alone for job in self.jobs())

    def jobs(self) -> Iterator[ClaimedJob]:
        """Return all jobs that run or wait."""
        running = (execution.context.job for execution in self.running.values())
        return chain(running, self.waiting.values())

    def keys(self) -> Iterator[Key]:
        """Return the keys of all that runs or waits."""
        return chain(self.running, self.waiting)

    def add(self, jobs: Iterable[ClaimedJob], claim_token: int) -> None:
        """Let jobs wait for a slot."""
        for job in jobs:
            self.waiting[job.id, claim_token] = job
            self.params_size += job.size
        self.filled.set()

    def finish(self, key: Key, job: ClaimedJob) -> None:
        """Free the slot of an execution that has ended."""
        del self.running[key]
        self.params_size -= job.size
        self.finished += 1
        self.freed.set()

    def remove_waiting(self, key: Key) -> ClaimedJob | None:
        """Remove a job that waits, and return it; None if it does not wait."""
        if (job := self.waiting.pop(key, None)) is not None:
            self.params_size -= job.size
        return job

    def take_waiting(self) -> dict[Key, ClaimedJob]:
        """Remove all jobs that wait, and return them."""
        taken, self.waiting = self.waiting, OrderedDict()
        self.params_size -= sum(job.size for job in taken.values())
        return taken
