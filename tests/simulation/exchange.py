"""A request to the server and its reply: two events, either of which may never come."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    from tests.simulation.session import SteeredSession


class Exchange:
    def __init__(
        self, session: "SteeredSession", sql: str, work: Callable[[], Coroutine[Any, Any, Any]]
    ) -> None:
        self._session = session
        self._sql = sql
        self._work = work
        self.connection = session.real
        self.running: asyncio.Task[Any]
        self.reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._error: BaseException | None = None
        self._has_timed_out = False  # it waited for a lock too long
        self.is_abandoned = False  # nobody waits for the reply
        self.is_over = asyncio.Event()

    def arrive(self) -> None:
        """Run the request on the server, unless it or its session is lost."""
        session = self._session
        if session.is_ended or session.route.loses_request():
            return
        if self.is_abandoned and session.route.share() < 0.5:  # it was cancelled in time
            self._finish()
            return
        work = _refuse() if session.route.is_read_only else self._work()
        self.running = session.server.start(self.connection, work)
        if self.running.done():
            self.answer()
        else:
            session.server.waiting.append(self)
            if session.lock_timeout is not None:
                session.route.later(session.lock_timeout, self._time_out)
        if session.may_notify(self._sql) or session.server.waiting:
            session.server.settle()

    def answer(self) -> None:
        """Send the result of the server back."""
        self._error = self.running.exception()
        result = self.running.result() if self._error is None else self._error
        self._session.story.note_statement(self._session.owner, self._sql, result)
        if self._session.route.loses_reply():
            return
        self._session.route.later(self._session.route.latency(), self._finish)

    def fail(self, error: Exception) -> None:
        """End it, as its connection has ended."""
        self.is_over.set()
        if not self.reply.done():
            self.reply.set_exception(error)

    def cancel(self) -> None:
        """Ask the server to cancel the statement, if it waits for a lock."""
        self.is_abandoned = True
        if self in self._session.server.waiting:
            self._session.server.cancel(self)

    def _time_out(self) -> None:
        if self in self._session.server.waiting:
            self._has_timed_out = True
            self._session.server.cancel(self)

    def _finish(self) -> None:
        self.is_over.set()
        self._session.exchange = None
        if self.reply.done():
            return
        if (error := self._error) is None:
            self.reply.set_result(self.running.result())
        elif isinstance(error, asyncpg.QueryCanceledError) and self._has_timed_out:
            self.reply.set_exception(asyncpg.LockNotAvailableError("canceling statement due to lock timeout"))
        else:
            self.reply.set_exception(error)


async def _refuse() -> None:
    raise asyncpg.ReadOnlySQLTransactionError("cannot execute it in a read-only transaction")
