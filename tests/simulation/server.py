"""The real PostgreSQL of a simulation. It runs one statement at a time, and nothing between two of them."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from select import POLLIN, poll
from signal import SIGCONT, SIGSTOP
from typing import Any, Protocol

import asyncpg
import uvloop

from asyncjobd.postgres.database import Use

POLL_MILLISECONDS = 2  # real ones, after which a statement without a reply is asked for the lock it waits for
STILL_WAITS = "select array(select pid from pg_locks where not granted and pid = any ($1::integer[]))"
WAITS_SINCE = "select waitstart from pg_locks where not granted and pid = $1"
SECONDS_WAITED = """
    select extract(epoch from clock_timestamp() - waitstart)::float8 from pg_locks where not granted and pid = $1
"""
BLOCKERS = "select pid, pg_blocking_pids(pid) as blockers from unnest($1::integer[]) as pid"
END_OTHERS = """
    select pid, pg_terminate_backend(pid) from pg_stat_activity
     where pid <> pg_backend_pid() and backend_type = 'client backend'
"""
COLUMNS = """
    select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
     where attrelid = $1::text::regclass and attnum > 0 and not attisdropped and attgenerated = ''
"""
TABLES = ("asyncjob.job", "asyncjob.execution", "asyncjob.action", "asyncjob.bucket", "asyncjob.daemon",
          "asyncjob.schedule", "asyncjob.rollup", "ledger.batch", "ledger.job", "ledger.effect", "ledger.change",
          "ledger.claim", "ledger.move", "ledger.firing", "ledger.request",
          "ledger.pruned", "ledger.pruned_execution")  # fmt: skip

Notified = Callable[[str, str], None]


class Waiting(Protocol):
    """A statement that waits for a lock."""

    connection: Any
    running: "asyncio.Task[Any]"

    def wait(self) -> None:
        """Begin to wait for a lock."""

    def check_timeout(self) -> None:
        """Go on if it has waited too long by the server's clock."""

    def answer(self) -> None:
        """Take the reply, which is there now."""


class Server:
    """Runs what it is given at once, in real time, while the virtual time stands still."""

    def __init__(self, dsn: str, notified: Notified) -> None:
        self._real = uvloop.new_event_loop()
        self._notified = notified
        self._heard: list[tuple[str, str]] = []
        self.control: Any = self.complete(asyncpg.connect(dsn))
        self._channels: set[str] = set()
        self.waiting: list[Waiting] = []
        self.statements = 0
        self._spare: dict[Use, list[Any]] = {use: [] for use in Use}

    def complete(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run what waits for no lock, and return its result."""
        with self._outside():
            return self._real.run_until_complete(work)

    def run(self, sql: str, *arguments: Any) -> Any:
        """Run a statement of the simulation itself, and return its rows."""
        return self.complete(self.control.fetch(sql, *arguments))

    def start(self, connection: Any, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Start the work of a connection. Return once it is done, or waits for a lock."""
        self.statements += 1
        task = self._real.create_task(work)
        self._drive(connection, task)
        return task

    def settle(self) -> None:
        """Let go on what waits for a lock no more, and pass on the notifications that were committed."""
        while True:
            pids = [each.connection.get_server_pid() for each in self.waiting]
            (row,) = self.run(STILL_WAITS, pids)  # it also brings the notifications
            go_on = [each for each, pid in zip(self.waiting, pids, strict=True) if pid not in row[0]]
            if not go_on:
                break
            for each in go_on:
                if each in self.waiting:
                    self._drive(each.connection, each.running)
                    self._carry_on(each)
        heard, self._heard = self._heard, []
        for channel, payload in heard:
            self._notified(channel, payload)

    def is_deadlocked(self, connection: Any) -> bool:
        """Return whether a session waits for a lock of its own, through those of others."""
        own = connection.get_server_pid()
        blockers = dict(self.run(BLOCKERS, [each.connection.get_server_pid() for each in self.waiting]))
        found: set[int] = set()
        left = list(blockers[own])
        while left:
            if (pid := left.pop()) not in found:
                found.add(pid)
                left += blockers.get(pid, ())
        return own in found

    def seconds_waited(self, connection: Any) -> float:
        """Return how long a session has waited for a lock, by the server's clock."""
        return float(self.run(SECONDS_WAITED, connection.get_server_pid())[0][0])

    def check_timeouts(self) -> None:
        """Let go on what has waited for a lock too long, now that the server's clock is another."""
        for each in list(self.waiting):
            each.check_timeout()

    def let_time_out(self, waiting: Waiting) -> None:
        """Let a statement go on whose lock_timeout has passed: PostgreSQL finds out in real time."""
        since = self._waits_since(waiting.connection)
        self._drive(waiting.connection, waiting.running, since)
        self._carry_on(waiting)
        self.settle()

    def _carry_on(self, waiting: Waiting) -> None:
        if waiting.running.done():
            self.waiting.remove(waiting)
            waiting.answer()
        else:
            waiting.wait()

    def cancel(self, waiting: Waiting) -> None:
        """Cancel a statement that waits for a lock."""
        self.run("select pg_cancel_backend($1)", waiting.connection.get_server_pid())
        self._thaw(waiting.connection)
        self.complete(asyncio.wait([waiting.running]))
        self.waiting.remove(waiting)
        waiting.answer()
        self.settle()

    def connect(self, use: Use, connecting: Coroutine[Any, Any, Any], seed: float) -> Any:
        """Return a connection of this use: one whose session has ended, or else a new one."""
        if spare := self._spare[use]:
            connecting.close()
            connection = spare.pop()
        else:
            connection = self.complete(connecting)
        self.complete(connection.execute("select setseed($1)", seed))
        return connection

    def end(self, connection: Any, use: Use) -> None:
        """End a session, and what it runs. Its process is kept for the next one, which spares a start."""
        waiting = [each for each in self.waiting if each.connection is connection]
        if not waiting:
            if connection.is_in_transaction():
                self.complete(connection.execute("rollback"))
            self.complete(connection.reset())
            self._spare[use].append(connection)
        for each in waiting:
            self.waiting.remove(each)
            self.run("select pg_terminate_backend($1)", connection.get_server_pid())
            self._thaw(connection)
            self.complete(asyncio.wait([each.running]))
            each.running.exception()
        self.settle()

    def listen(self, channel: str) -> None:
        """Pass on notifications of this channel."""
        if channel not in self._channels:
            self._channels.add(channel)
            self.complete(self.control.add_listener(channel, self._hear))

    def empty(self) -> None:
        """End what another world has left, delete all rows, and let ids begin anew."""
        while others := self.run(END_OTHERS):
            for pid, _ in others:
                with suppress(ProcessLookupError):
                    os.kill(pid, SIGCONT)
        self.run(f"truncate {', '.join(TABLES)} restart identity")

    def close(self) -> None:
        """Thaw all that waits for a lock: a frozen process would not hear that the server stops."""
        for each in self.waiting:
            self._thaw(each.connection)

    def remember(self) -> None:
        """Remember all rows, for `rewind`."""
        self.run("create schema if not exists remembered")
        for table in TABLES:
            name = f"remembered.{table.replace('.', '_')}"
            self.run(f"drop table if exists {name}")
            self.run(f"create table {name} as table {table}")

    def rewind(self) -> None:
        """Bring back the rows as they were at `remember`."""
        self.run("set session_replication_role = replica")
        self.run(f"truncate {', '.join(TABLES)}")
        for table in TABLES:
            columns = self.run(COLUMNS, table)[0][0]
            name = f"remembered.{table.replace('.', '_')}"
            self.run(f"insert into {table} ({columns}) select {columns} from {name}")
        self.run("set session_replication_role = origin")

    def _hear(self, _connection: Any, _pid: int, channel: str, payload: str) -> None:
        self._heard.append((channel, payload))

    def _waits_since(self, connection: Any) -> datetime | None:
        """Return since when a session waits for a lock; None if it does not."""
        rows = self.run(WAITS_SINCE, connection.get_server_pid())
        return rows[0][0] if rows else None

    def _drive(
        self, connection: Any, task: "asyncio.Task[Any]", waited_since: datetime | None = None
    ) -> None:
        """Run the real loop until the task is done or its session waits for a lock: a new wait, not that of `waited_since`.

        Its process is frozen while it waits. So where several wait for one lock, they go on in the order in which they
        came, not as the kernel wakes them.
        """
        self._thaw(connection)
        readable = poll()
        readable.register(_socket_of(connection), POLLIN)
        with self._outside():
            self._step()
        while not task.done():
            is_idle = not readable.poll(POLL_MILLISECONDS)
            if is_idle and self._waits_since(connection) not in (None, waited_since):
                os.kill(connection.get_server_pid(), SIGSTOP)
                return
            with self._outside():
                self._step()

    def _thaw(self, connection: Any) -> None:
        os.kill(connection.get_server_pid(), SIGCONT)

    def _step(self) -> None:
        self._real.call_soon(self._real.stop)
        self._real.run_forever()

    @contextmanager
    def _outside(self) -> Iterator[None]:
        """Leave the virtual loop for the block, as one thread has one running loop."""
        running = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        try:
            yield
        finally:
            asyncio._set_running_loop(running)


def _socket_of(connection: Any) -> int:
    return int(connection._transport.get_extra_info("socket").fileno())
