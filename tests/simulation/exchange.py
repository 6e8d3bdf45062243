"""A request to the server and its reply: two events, either of which may never come."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    from tests.simulation.session import SteeredSession

# The seconds that a function's lock_timeout is, by the call that a statement makes of it. They pass by the server's clock.
LOCK_TIMEOUTS = {"asyncjob.move_schedule(": 0.02, "asyncjob.pick_limited(": 0.25}


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
        self._wait_error: asyncpg.PostgresError | None = None  # for which its wait for a lock was ended
        self._function_timeout = next((LOCK_TIMEOUTS[name] for name in LOCK_TIMEOUTS if name in sql), None)
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
            self.wait()
        if session.may_notify(self._sql) or session.server.waiting:
            session.server.settle()

    def wait(self) -> None:
        """Begin to wait for a lock: end the wait at once if it makes a deadlock, and else when its function's time is up."""
        if self._session.server.is_deadlocked(self.connection):
            self._end_wait(asyncpg.DeadlockDetectedError("deadlock detected"))
        elif self._function_timeout is not None:
            self._session.route.later(self._function_timeout, self.check_timeout)

    def check_timeout(self) -> None:
        """Let the statement go on if it has waited for a lock for as long as its function allows."""
        server = self._session.server
        if self._function_timeout is None or self not in server.waiting:
            return
        left = self._function_timeout - server.seconds_waited(self.connection)
        if left > 0:
            self._session.route.later(left, self.check_timeout)
        else:
            server.let_time_out(self)

    def answer(self) -> None:
        """Send the result of the server back."""
        self._error = self.running.exception()
        if isinstance(self._error, asyncpg.QueryCanceledError):
            self._error = self._wait_error or self._error
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
            self._end_wait(asyncpg.LockNotAvailableError("canceling statement due to lock timeout"))

    def _end_wait(self, error: asyncpg.PostgresError) -> None:
        self._wait_error = error
        self._session.server.cancel(self)

    def _finish(self) -> None:
        self.is_over.set()
        self._session.exchange = None
        if self.reply.done():
            return
        if (error := self._error) is None:
            self.reply.set_result(self.running.result())
        else:
            self.reply.set_exception(error)


async def _refuse() -> None:
    raise asyncpg.ReadOnlySQLTransactionError("cannot execute it in a read-only transaction")
