"""A connection of the engine or of a client: the seed says when its requests arrive, and whether its replies do."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from contextvars import Context, copy_context
from itertools import count
from typing import Any

import asyncpg

from asyncjobd.postgres.database import Use
from tests.simulation.exchange import Exchange
from tests.simulation.loop import owner
from tests.simulation.route import Route
from tests.simulation.server import Server
from tests.simulation.story import Story

_numbers = count()
LOCK_TIMEOUT = re.compile(r"'lock_timeout', '(\d+)s'")


class SteeredSession:
    """Stands for an asyncpg.Connection, of which it has what asyncjobd uses."""

    def __init__(self, real: Any, server: Server, route: Route, story: Story, use: Use) -> None:
        self.real = real
        self.server = server
        self.route = route
        self.story = story
        self.owner = owner.get()
        self._use = use
        self._number = next(_numbers)
        self.exchange: Exchange | None = None
        self.lock_timeout: float | None = None  # seconds
        self.is_ended = False  # on the server
        self._is_closed = False  # on this side
        self._context: Context = copy_context()
        self._termination_listeners: list[Callable[[Any], None]] = []
        self._listeners: dict[str, list[Callable[..., None]]] = {}
        self._heard_until = 0.0
        route.sessions.append(self)

    def __hash__(self) -> int:
        """Return a number that is the same in each run: sets are iterated in its order."""
        return self._number

    def is_closed(self) -> bool:
        return self._is_closed

    async def fetch(self, query: str, *arguments: Any, timeout: float | None = None, **options: Any) -> Any:
        if found := LOCK_TIMEOUT.search(query):
            self.lock_timeout = float(found[1])
        unlimited = LOCK_TIMEOUT.sub("'lock_timeout', '0'", query)  # the world's clock limits it
        return await self._request(query, lambda: self.real.fetch(unlimited, *arguments, **options), timeout)

    async def fetchrow(self, query: str, *arguments: Any, timeout: float | None = None) -> Any:
        return await self._request(query, lambda: self.real.fetchrow(query, *arguments), timeout)

    async def fetchval(self, query: str, *arguments: Any, timeout: float | None = None) -> Any:
        return await self._request(query, lambda: self.real.fetchval(query, *arguments), timeout)

    async def execute(self, query: str, *arguments: Any, timeout: float | None = None) -> Any:
        return await self._request(query, lambda: self.real.execute(query, *arguments), timeout)

    async def reset(self) -> None:
        await self._request("reset", lambda: self.real.reset(), None)

    @asynccontextmanager
    async def transaction(self, *, isolation: str | None = None) -> AsyncIterator[None]:
        """Begin a transaction, and commit it, or roll it back where the block raises."""
        level = f" isolation level {isolation.replace('_', ' ')}" if isolation else ""
        await self.execute(f"begin{level}")
        try:
            yield
        except BaseException:
            if self._is_closed:
                raise asyncpg.InterfaceError("the connection is closed") from None
            await self.execute("rollback")
            raise
        await self.execute("commit")

    async def add_listener(self, channel: str, callback: Callable[..., None]) -> None:
        self.server.listen(channel)
        await self.execute(f'listen "{channel}"')
        self._listeners.setdefault(channel, []).append(callback)

    async def remove_listener(self, channel: str, callback: Callable[..., None]) -> None:
        self._listeners[channel].remove(callback)
        await self.execute(f'unlisten "{channel}"')

    def add_termination_listener(self, callback: Callable[[Any], None]) -> None:
        self._termination_listeners.append(callback)

    def remove_termination_listener(self, callback: Callable[[Any], None]) -> None:
        with suppress(ValueError):
            self._termination_listeners.remove(callback)

    def notified(self, channel: str, payload: str) -> None:
        """Deliver a notification, after those before it: they come along one connection."""
        if channel not in self._listeners or self.route.is_silent or self.route.loses_notifications:
            return
        loop = asyncio.get_running_loop()
        self._heard_until = max(self._heard_until, loop.time() + self.route.latency())
        self.route.later(self._heard_until - loop.time(), self._hear, channel, payload)

    def _hear(self, channel: str, payload: str) -> None:
        if self._is_closed or self.is_ended:
            return
        for callback in list(self._listeners.get(channel, ())):
            asyncio.get_running_loop().call_soon(callback, self, 0, channel, payload, context=self._context)

    async def close(self, timeout: float | None = None) -> None:
        self.terminate()

    def terminate(self) -> None:
        """Close this side. The server hears of it, unless it is cut off."""
        if not self._is_closed:
            self._close()
            if self.route.is_silent:
                self.route.later(self.route.keepalive(), self.end)
            else:
                self.route.later(self.route.latency(), self.end)

    def end(self) -> None:
        """End the session on the server. This side hears of it, unless it is cut off."""
        if not self.is_ended:
            self.is_ended = True
            self.server.end(self.real, self._use)
            self.route.forget(self)
            self.route.later(
                self.route.latency() if not self.route.is_silent else self.route.keepalive(), self._close
            )

    def _close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        if self.exchange is not None:
            self.exchange.fail(
                asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
            )
        for callback in list(self._termination_listeners):
            asyncio.get_running_loop().call_soon(callback, self, context=self._context)

    def _on_release(self) -> None:
        """Do what asyncpg does when a pool takes the connection back: nothing here."""

    def may_notify(self, sql: str) -> bool:
        """Return whether others may be notified by this statement: the engine's say so."""
        return self._use is not Use.ENGINE or "notify" in sql

    async def _request(
        self, sql: str, work: Callable[[], Coroutine[Any, Any, Any]], timeout: float | None
    ) -> Any:
        if self.exchange is not None and self.exchange.is_abandoned:
            await self.exchange.is_over.wait()
        if self._is_closed:
            raise asyncpg.InterfaceError("connection is closed")
        if self.exchange is not None:
            raise asyncpg.InterfaceError("cannot perform operation: another operation is in progress")
        self.exchange = exchange = Exchange(self, sql, work)
        self.route.later(self.route.latency(), exchange.arrive)
        try:
            async with asyncio.timeout(timeout):
                return await exchange.reply
        except (asyncio.CancelledError, TimeoutError):
            exchange.is_abandoned = True
            self.route.later(self.route.latency(), exchange.cancel)
            raise
