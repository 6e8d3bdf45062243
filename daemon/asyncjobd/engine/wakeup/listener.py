"""Receives notifications: of rows that become ready or due, of executions that a client stopped, and of what clients
control.

A pooler that lends a server for one transaction lets no notification through. Behind it the listener polls.
"""

import asyncio
import re
from time import monotonic
from typing import Any

import structlog

from asyncjobd.engine.signals import Signals
from asyncjobd.engine.wake import Wake
from asyncjobd.engine.wakeup.notify_gate import NotifyGate
from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.link import BackOff, Link
from asyncjobd.postgres.outage import FAILURES
from asyncjobd.postgres.pooler import is_heard
from asyncjobd.postgres.session import Session

POLL_INTERVAL = 0.5  # seconds
# The share of the server's notification queue above which nobody notifies (asyncjob.notify)
MAX_QUEUE_USAGE = 0.9
CHECK = (
    "select array(select pg_listening_channels()) as channels, pg_notification_queue_usage() >= $1 as is_full"
)
UNKNOWN_LOG_INTERVAL = 10.0  # seconds between two lines about notifications that mean nothing
MAX_SHOWN = 100  # characters of such a notification

_ID = re.compile(r"[0-9]{1,18}")
_EPOCH = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?")

log = structlog.get_logger("asyncjobd.listener")


class NotListening(ConnectionError):
    """Raised when the connection lives, but its session listens no more."""


class Listener:
    def __init__(
        self, link: Link, daemon_id: int, check_interval: float, gate: NotifyGate, signals: Signals
    ) -> None:
        """`check_interval`: seconds between two checks that the connection is alive."""
        self._link = link
        self._session = Session(link, "listener")
        self._probe = Session(link, "probe")
        self._channels = (link.database.channel(), link.database.channel(daemon_id))
        self._check_interval = check_interval
        self._gate = gate
        self._signals = signals
        self._ended = Wake()
        self._unknown_count = 0  # notifications that mean nothing, since they were logged
        self._unknown_logged_at = -UNKNOWN_LOG_INTERVAL  # monotonic
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
        """Listen, and return whether notifications get through."""
        self._ended.clear()
        connection.add_termination_listener(lambda _: self._ended.set())
        async with asyncio.timeout(self._check_interval):
            for channel in self._channels:
                await connection.add_listener(channel, self._hear)
        return not self._link.database.is_pooled or await self._hears_probe(connection)

    async def _hears_probe(self, connection: Connection) -> bool:
        channel = f"{self._channels[1]}:probe"
        return await is_heard(
            connection,
            channel,
            lambda: self._probe.run("wakeup/send_notification", channel=channel, payload="probe"),
        )

    async def _keep(self, connection: Connection) -> None:
        """Check the connection until it ends, or is found to be dead."""
        self._signals.look_again()  # changes may have been committed while nobody listened
        self.is_listening.set()
        is_full = False
        while not await self._ended.wait(POLL_INTERVAL if is_full else self._check_interval):
            found = await connection.fetchrow(CHECK, MAX_QUEUE_USAGE, timeout=self._check_interval)
            assert found is not None
            if not set(self._channels) <= set(found["channels"]):
                raise NotListening(f"it listens to {found['channels']} only")
            if found["is_full"] or is_full:  # also once more when it is not full any more
                self._signals.look_again()
            if found["is_full"] and not is_full:
                log.error(
                    "notifications.full", every=POLL_INTERVAL,
                    reason="the server's queue of notifications is full; "
                           "who listens in a transaction that stays open?",
                )  # fmt: skip
            is_full = found["is_full"]
        raise ConnectionError("the connection ended")

    async def _poll(self, connection: Connection) -> None:
        log.warning(
            "listener.polls", every=POLL_INTERVAL,
            reason="a pooler in transaction mode lets no notification through",
        )  # fmt: skip
        self.is_listening.set()
        while not connection.is_closed():
            self._signals.look_again()
            await self._ended.wait(POLL_INTERVAL)

    def _hear(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        match str(payload).split(" ", 1):
            case ["ready", *job_name]:
                self._gate.note_notification(job_name[0] if job_name else None)
            case ["freed", job_name]:
                self._signals.rows_ready.add(job_name)
            case ["open"]:
                self._signals.gate_changed.set()
            case ["due", epoch] if _EPOCH.fullmatch(epoch):
                self._signals.row_due.add(float(epoch))
            case ["waits"]:
                self._signals.jobs_ended.rows_wait()
            case ["ended", job_id] if _ID.fullmatch(job_id):
                self._signals.jobs_ended.add([int(job_id)], have_failed=True)  # if it has, its row says
            case ["schedule"]:
                self._signals.schedule_due.add(0)
            case ["action"] | ["drain"]:
                self._signals.controls_changed.set()
                self._signals.rows_ready.add()  # a pause may have begun and ended before anybody reads of it
            case ["stop"]:  # which jobs, their rows say, as anybody can notify
                self._signals.stop_requested.set()
            case _:
                self._note_unknown(str(payload))

    def _note_unknown(self, payload: str) -> None:
        """Log it, but not too often: anybody may notify, as often as they like."""
        self._unknown_count += 1
        if monotonic() >= self._unknown_logged_at + UNKNOWN_LOG_INTERVAL:
            log.warning("notification.unknown", payload=payload[:MAX_SHOWN], count=self._unknown_count)
            self._unknown_logged_at, self._unknown_count = monotonic(), 0
