"""One execution, as its handler sees it."""

import asyncio
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, NoReturn, TypeVar

import structlog

from asyncjobd.client import Client
from asyncjobd.job import ClaimedJob, NewJob
from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.text import shorten, storable
from asyncjobd.postgres.transaction import Transaction
from asyncjobd.result import Outcome

T = TypeVar("T")
R = TypeVar("R")
Reported = tuple[float, str | None]  # the fraction and the message
Report = Callable[["Context", Reported], None]


class Undone(Exception):
    """Why the transaction of a handler that did not answer success or completed is rolled back."""


class Context:
    """The job that runs, and what its handler may tell about it meanwhile.

    `ending` is why it was asked to end (TIMEOUT or STOPPED), which its handler sees as a cancellation; None while
    nobody has. `reported` is the last progress.
    """

    __slots__ = ("_begin", "_loop", "_report", "begun", "claim_token", "client", "ending", "job", "reported")

    def __init__(
        self,
        job: ClaimedJob,
        claim_token: int,
        report: Report,
        client: Client,
        begin: Callable[[], Transaction],
    ) -> None:
        self.job = job
        self.claim_token = claim_token
        self.client = client
        self._begin = begin
        self._loop = asyncio.get_running_loop()
        self.begun: Transaction | None = None  # what the handler asked for with `transaction()`
        self._report = report
        self.reported: Reported | None = None
        self.ending: Outcome | None = None

    def progress(self, fraction: float, message: str | None = None) -> "Checkpoint":
        """Show how far the job is, from 0 to 1 (what lies outside is cut). Reports are coalesced: the last one counts,
        and is in the row within half a second, at the latest with the job's end.

        Await it in a coroutine, so that others get their turn; a handler in a thread just calls it.
        """
        self.reported = (
            float(min(1.0, max(0.0, fraction))),
            None if message is None else storable(shorten(str(message))),
        )
        self._report(self, self.reported)
        return CHECKPOINT

    def insert(self, job: NewJob) -> int | None:
        """Insert a job from a handler in a thread, and wait for its id; see `Client.insert`.

        Raise RuntimeError in a coroutine, which awaits `context.client.insert` instead.
        """
        return self._from_thread(self.client.insert, job)

    def insert_many(self, jobs: Sequence[NewJob]) -> list[int | None]:
        """Insert jobs from a handler in a thread, all or none, and wait for their ids; see `Client.insert_many`.

        Raise RuntimeError in a coroutine, which awaits `context.client.insert_many` instead.
        """
        return self._from_thread(self.client.insert_many, jobs)

    def _from_thread(self, call: Callable[[T], Coroutine[Any, Any, R]], argument: T) -> R:
        """Run it in the daemon's event loop, with the handler's context variables."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run_coroutine_threadsafe(call(argument), self._loop).result()
        raise RuntimeError(
            "this is for handlers in a thread: in a coroutine, await the method of context.client"
        )

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """`async with context.transaction() as connection:` (asyncpg) writes exactly once: what is written commits
        together with the completion of the job when the handler answers `success` or `completed`, and only if this
        execution still has its lease. Any other end of the handler undoes it, as does a block left by an exception.

        Entered again, it is the same transaction. At most [daemon] transactions are open at a time; one more waits.
        """
        if self.begun is None:
            self.begun = self._begin()
        return self.begun.join()

    def end(self) -> None:
        """The handler has ended: no transaction begins any more, as nobody would end it."""
        self._begin = _too_late
        if self.begun is not None:
            self.begun.is_over = True

    @property
    def open_transaction(self) -> Transaction | None:
        return self.begun if self.begun is not None and self.begun.is_open else None

    async def undo(self, reason: BaseException | None) -> None:
        """Rolls back the transaction, if there is one."""
        if (transaction := self.open_transaction) is not None:
            with suppress(Exception, asyncio.CancelledError):  # nothing of it is committed, however that ends
                await transaction.roll_back(reason or Undone())

    @property
    def log(self) -> Any:
        """A structlog logger whose lines carry job_id, job_name and execution_count."""
        return structlog.get_logger("asyncjobd.handler").bind(**self.job.as_logged)


def _too_late() -> NoReturn:
    raise RuntimeError("the handler that this transaction would be for has ended")


class Checkpoint:
    """Awaited, it gives the other coroutines a turn; left alone, it is nothing."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, None]:
        return asyncio.sleep(0).__await__()


CHECKPOINT = Checkpoint()
