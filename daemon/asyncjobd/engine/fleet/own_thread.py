"""A thread with an event loop of its own, for work that a blocked event loop must not hold up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

from anyio.from_thread import start_blocking_portal

RunInThread: TypeAlias = Callable[
    [Callable[[], Awaitable[None]]], AbstractAsyncContextManager["asyncio.Future[None]"]
]


@asynccontextmanager
async def own_thread(work: Callable[[], Awaitable[None]]) -> AsyncIterator["asyncio.Future[None]"]:
    """Run `work` in a thread for the block, and yield its end. It is cancelled when the block ends."""
    with start_blocking_portal(name="heartbeat") as portal:
        running = asyncio.wrap_future(portal.start_task_soon(work))
        try:
            yield running
        finally:
            running.cancel()
