"""Finds out whether notifications get through a pooler."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from asyncjobd.postgres.connection import Connection, time_limit
from asyncjobd.postgres.outage import FAILURES

LONGEST_WAY_SECONDS = 2.0  # a notification through a pooler may take so long


async def is_heard(connection: Connection, channel: str, notify: Callable[[], Awaitable[Any]]) -> bool:
    """Return whether a notification reaches the connection. `notify` sends one to the channel from another session.

    A pooler may take a LISTEN and lend its server to somebody else: only a notification from elsewhere tells.
    """
    heard = asyncio.Event()

    def hear(*_: object) -> None:
        heard.set()

    async with time_limit(LONGEST_WAY_SECONDS, connection):
        await connection.add_listener(channel, hear)
    try:
        await notify()
        async with asyncio.timeout(LONGEST_WAY_SECONDS):
            await heard.wait()
    except TimeoutError:
        return False
    finally:
        with suppress(*FAILURES):  # the answer is known
            async with time_limit(LONGEST_WAY_SECONDS, connection):
                await connection.remove_listener(channel, hear)
    return True
