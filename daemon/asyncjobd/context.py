"""The running execution, as its handler and its hooks see it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, NoReturn, TypeVar

import structlog

from asyncjobd.client import PAGE, Client
from asyncjobd.job import ClaimedJob, Job, NewJob
from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.text import shorten, storable
from asyncjobd.postgres.transaction import Transaction
from asyncjobd.result import JobResult, Outcome

T = TypeVar("T")
R = TypeVar("R")
ProgressReport = tuple[float, str | None]  # the fraction, from 0 to 1, and the message
ReportProgress = Callable[["Context", ProgressReport], None]
IsFatal = Callable[[BaseException], bool]


class HandlerNotDone(Exception):
    """The reason given to a rollback when the result was neither success nor completed."""


class Context:
    """The running job, and what its handler can do besides computing a result.

    Attributes:
        job: The job that runs, with every default filled in.
        client: The daemon's own client, which inserts jobs and waits for others.
        stop_reason: `Outcome.TIMEOUT` or `Outcome.STOPPED` once the execution was asked to end, which its
            handler sees as a cancellation; None until then.
        last_progress: The latest progress that the handler reported, or None.
        is_fatal: Returns whether an exception fails the job at once, by its action; in hooks only.
    """

    __slots__ = (
        "_begin_transaction",
        "_loop",
        "_report_progress",
        "claim_token",
        "client",
        "is_fatal",
        "job",
        "last_progress",
        "stop_reason",
        "transaction_used",
    )

    is_fatal: IsFatal

    def __init__(
        self,
        job: ClaimedJob,
        claim_token: int,
        report_progress: ReportProgress,
        client: Client,
        begin_transaction: Callable[[], Transaction],
    ) -> None:
        self.job = job
        self.claim_token = claim_token
        self.client = client
        self.stop_reason: Outcome | None = None
        self.last_progress: ProgressReport | None = None
        self.transaction_used: Transaction | None = None  # None: the handler has not called `transaction()`
        self._begin_transaction = begin_transaction
        self._report_progress = report_progress
        self._loop = asyncio.get_running_loop()

    def progress(self, fraction: float, message: str | None = None) -> "Checkpoint":
        """Show how far the job is, in the columns `progress` and `progress_message`.

        Reports are coalesced: only the latest is written, within half a second, and at the latest when the
        job ends. Await the call in a coroutine, so that other coroutines get their turn; a handler that runs
        in a thread just calls it.

        Args:
            fraction: From 0 to 1; values outside are clamped.
            message: A text for people. Default: none.
        """
        self.last_progress = (
            float(min(1.0, max(0.0, fraction))),
            None if message is None else storable(shorten(str(message))),
        )
        self._report_progress(self, self.last_progress)
        return CHECKPOINT

    def is_final(self, reason: JobResult | BaseException) -> bool:
        """Return whether no try follows a failure: the job is Failed, or a recursive one goes on at its next time.

        For hooks, which may tell somebody of the last try only.

        Args:
            reason: What `proceed` raised, or a result of failed, fatal_error or timeout.
        """
        job = self.job
        if job.is_recursive or job.execution_count >= job.max_execution_count:
            return True
        if isinstance(reason, JobResult):
            return reason.outcome is Outcome.FATAL_ERROR
        return self.stop_reason is None and self.is_fatal(reason)

    def insert(self, job: NewJob) -> int | None:
        """Insert a job from a handler that runs in a thread, and return its id; see `Client.insert`.

        Raise RuntimeError in a coroutine, which must await `context.client.insert` instead.
        """
        return self._call_from_thread(self.client.insert, job)

    def insert_many(self, jobs: Sequence[NewJob]) -> list[int | None]:
        """Insert all jobs or none from a handler that runs in a thread, and return their ids.

        Raise RuntimeError in a coroutine, which must await `context.client.insert_many` instead.
        """
        return self._call_from_thread(self.client.insert_many, jobs)

    def children(self) -> Iterator[Job]:
        """Yield the children of this job in a handler that runs in a thread; see `Client.children`.

        Raise RuntimeError in a coroutine, which uses `context.client.children(context.job.id)` instead.
        """
        _require_thread()
        return self._in_thread(self.client.children(self.job.id))

    def needed(self) -> dict[int, Job]:
        """Return the jobs that this one has waited for in a handler that runs in a thread; see `Client.needed`.

        Raise RuntimeError in a coroutine, which must await `context.client.needed(context.job.id)` instead.
        """
        return self._call_from_thread(self.client.needed, self.job.id)

    def _in_thread(self, jobs: AsyncIterator[Job]) -> Iterator[Job]:
        while some := self._call_from_thread(_take_some, jobs):
            yield from some

    def _call_from_thread(self, method: Callable[[T], Coroutine[Any, Any, R]], argument: T) -> R:
        """Run the method in the daemon's event loop, with the context variables of the handler."""
        _require_thread()
        return asyncio.run_coroutine_threadsafe(method(argument), self._loop).result()

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """Return a context manager for a transaction that commits together with the completion of the job.

            async with context.transaction() as connection:
                await connection.execute("insert into invoice ...")

        The connection is an asyncpg one. Whatever is written takes effect exactly once: it commits when the
        handler returns `success` or `completed`, and only if this execution still owns its row. Any other end
        of the handler, and a block left by an exception, rolls the transaction back.

        The next handler has a new connection if this one changes its codecs, by `set_type_codec` and the like.

        Entering it again joins the same transaction. `[daemon] transactions` bounds how many are open at a
        time; further handlers wait. Raise RuntimeError after the handler has ended, and in a worker process.
        """
        if self.transaction_used is None:
            self.transaction_used = self._begin_transaction()
        return self.transaction_used.join()

    def close(self) -> None:
        """Refuse further transactions: the handler has ended, so nobody would commit them."""
        self._begin_transaction = _refuse_transaction
        if self.transaction_used is not None:
            self.transaction_used.is_over = True

    @property
    def open_transaction(self) -> Transaction | None:
        """The handler's transaction while it is open, else None."""
        transaction = self.transaction_used
        return transaction if transaction is not None and transaction.is_open else None

    async def roll_back(self, reason: BaseException | None) -> None:
        """Roll back the handler's transaction, if one is open; ignore errors, as nothing was committed."""
        if (transaction := self.open_transaction) is not None:
            with suppress(Exception, asyncio.CancelledError):
                await transaction.roll_back(reason or HandlerNotDone())

    @property
    def log(self) -> Any:
        """A structlog logger whose lines carry job_id, job_name and execution_count."""
        return structlog.get_logger("asyncjobd.handler").bind(**self.job.as_logged)


def _require_thread() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "insert, insert_many, children and needed of the context are for handlers that run in a thread: "
        "in a coroutine, await the method of context.client"
    )


async def _take_some(jobs: AsyncIterator[Job]) -> list[Job]:
    """Return the next of the jobs, as many as are fetched at a time; none at their end."""
    some = []
    async for job in jobs:
        some.append(job)
        if len(some) == PAGE:
            break
    return some


def _refuse_transaction() -> NoReturn:
    raise RuntimeError("the handler has ended, so it can begin no transaction")


class Checkpoint:
    """An awaitable that lets other coroutines run; not awaiting it is harmless."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, None]:
        return asyncio.sleep(0).__await__()


CHECKPOINT = Checkpoint()
