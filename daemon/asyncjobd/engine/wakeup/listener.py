"""Hears of rows that become ready or due, and of executions that a client stopped.

Behind a pooler that lends a server for one transaction nothing is heard: there it polls.
"""

import asyncio
import re
from collections.abc import Callable
from time import monotonic
from typing import Any

import structlog

from asyncjobd.engine.wake import Wake
from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.link import BackOff, Link
from asyncjobd.postgres.outage import FAILURES
from asyncjobd.postgres.pooler import is_heard
from asyncjobd.postgres.session import Session

POLL = 0.5  # seconds
FULL = 0.9  # of the server's queue of notifications: from here on nobody notifies (the schema's function `notify`)
CHECK = (
    "select array(select pg_listening_channels()) as channels, pg_notification_queue_usage() >= $1 as is_full"
)
NOISE_INTERVAL = 10.0  # seconds between two lines about notifications that mean nothing
LONGEST_SHOWN = 100  # characters of one

_EPOCH = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?")

log = structlog.get_logger("asyncjobd.listener")


class NotListening(ConnectionError):
    """The connection lives, but nothing comes through it."""


class Listener:
    def __init__(
        self,
        link: Link,
        daemon_id: int,
        interval: float,
        *,
        look: Callable[[], None],
        ready: Callable[[str | None], None],
        opened: Callable[[], None],
        due: Callable[[float], None],
        stopped: Callable[[], None],
    ) -> None:
        """`interval`: seconds between two checks that the connection is alive. `look`: for what nobody heard of.
        `ready`: rows of this name, or of some, are. `opened`: another daemon is not told of them any more. `stopped`:
        a client has stopped an execution; which one, its row says, as anybody can notify."""
        self._link = link
        self._session = Session(link, "listener")
        self._probe = Session(link, "probe")
        self._channels = (link.database.channel(), link.database.channel(daemon_id))
        self._interval = interval
        self._look = look
        self._ready = ready
        self._opened = opened
        self._due = due
        self._stopped = stopped
        self._ended = Wake()
        self._noises = 0  # notifications that mean nothing, since they were told of
        self._noise_told_at = -NOISE_INTERVAL
        self.is_listening = asyncio.Event()

    async def run(self) -> None:
        back_off = BackOff()
        while True:
            connection = await self._session.connection()
            try:
                if await self._listen(connection):
                    back_off = BackOff()
                    await self._keep(connection)
                else:
                    await self._poll(connection)
            except FAILURES as error:
                self._link.expire(connection, "listener", error)
            await back_off.wait()

    async def _listen(self, connection: Connection) -> bool:
        """Answers whether notifications get through."""
        self._ended.clear()
        connection.add_termination_listener(lambda _: self._ended.set())
        async with asyncio.timeout(self._interval):
            for channel in self._channels:
                await connection.add_listener(channel, self._hear)
        return not self._link.database.is_pooled or await self._is_heard(connection)

    async def _is_heard(self, connection: Connection) -> bool:
        channel = self._channels[1]
        return await is_heard(connection, channel, lambda: self._probe.run("notify", channel, "probe"))

    async def _keep(self, connection: Connection) -> None:
        """Until the connection ends, or is found to be dead."""
        self._look()  # for whatever came while nobody listened
        self.is_listening.set()
        is_full = False
        while not await self._ended.wait(POLL if is_full else self._interval):
            found = await connection.fetchrow(CHECK, FULL, timeout=self._interval)
            assert found is not None
            if not set(self._channels) <= set(found["channels"]):
                raise NotListening(f"it listens to {found['channels']} only")
            if found["is_full"]:
                self._look()
                if not is_full:
                    log.error("notifications.full", every=POLL, reason="the server's queue of notifications is full; "
                              "who listens in a transaction that stays open?")  # fmt: skip
            is_full = found["is_full"]
        raise ConnectionError("the connection ended")

    async def _poll(self, connection: Connection) -> None:
        log.warning(
            "listener.polls", every=POLL, reason="a pooler in transaction mode lets no notification through"
        )
        self.is_listening.set()
        while not connection.is_closed():
            self._look()
            await self._ended.wait(POLL)

    def _hear(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        match str(payload).split(" ", 1):
            case ["ready"]:
                self._ready(None)
            case ["ready", job_name]:
                self._ready(job_name)
            case ["open"]:
                self._opened()
            case ["due", epoch] if _EPOCH.fullmatch(epoch):
                self._due(float(epoch))
            case ["stop", _]:
                self._stopped()
            case ["probe"]:
                pass  # `is_heard` waits for it
            case _:
                self._noise(str(payload))

    def _noise(self, payload: str) -> None:
        """Anybody may notify, as often as they like."""
        self._noises += 1
        if monotonic() >= self._noise_told_at + NOISE_INTERVAL:
            log.warning("notification.unknown", payload=payload[:LONGEST_SHOWN], count=self._noises)
            self._noise_told_at, self._noises = monotonic(), 0
