"""Hears of rows that become ready or due, and of executions that a client stopped."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from asyncjobd.postgres.database import Database
from asyncjobd.postgres.outage import is_outage
from asyncjobd.postgres.session import FIRST_DELAY, MAX_DELAY, Session

log = structlog.get_logger("asyncjobd.listener")


class Listener:
    def __init__(
        self,
        session: Session,
        database: Database,
        daemon_id: int,
        *,
        connected: Callable[[], None],
        ready: Callable[[], None],
        due: Callable[[float], None],
        stop: Callable[[int, int], None],
    ) -> None:
        self._session = session
        self._channels = (database.channel(), database.channel(daemon_id))
        self._connected = connected
        self._ready = ready
        self._due = due
        self._stop = stop
        self.is_listening = asyncio.Event()

    async def run(self) -> None:
        delay = FIRST_DELAY
        while True:
            try:
                await self._listen()
                delay = FIRST_DELAY
            except Exception as error:
                if not is_outage(error):
                    raise
                log.warning("database.away", part="listener", reason=f"{type(error).__name__}: {error}", retry_in=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, MAX_DELAY)

    async def _listen(self) -> None:
        """Until the connection ends."""
        connection = await self._session.connection()
        ended = asyncio.Event()
        connection.add_termination_listener(lambda _: ended.set())
        for channel in self._channels:
            await connection.add_listener(channel, self._hear)
        self._connected()  # for whatever came while nobody listened
        self.is_listening.set()
        await ended.wait()
        log.warning("database.away", part="listener", reason="the connection ended")
        await self._session.close()

    def _hear(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        match str(payload).split():
            case ["ready"]:
                self._ready()
            case ["due", epoch]:
                self._due(float(epoch))
            case ["stop", job_id, lease]:
                self._stop(int(job_id), int(lease))
            case _:
                log.warning("notification.unknown", payload=payload)
