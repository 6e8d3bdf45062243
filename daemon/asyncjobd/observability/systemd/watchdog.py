"""The watchdog: notifies systemd while the daemon works, so that systemd restarts one of which a part hangs.

A part owes a turn while something waits for it. It hangs if it owed one at the last check, owes one now, and
has taken none in between: one that owes it only now may have been asked a moment ago. It does not hang while
the database is away or slow. Without systemd, the watchdog only logs which parts hang.
"""

import asyncio
import os
import threading
from collections.abc import Mapping
from typing import Protocol

import structlog

from asyncjobd.observability.systemd import notify as systemd
from asyncjobd.postgres.link import Link

CHECKS = 4  # the number of checks within WatchdogSec, after which systemd restarts the daemon
INTERVAL = 15.0  # seconds between two checks without systemd
LONGEST_TURN = 1.0  # seconds; the event loop takes longer only where something blocks it

log = structlog.get_logger("asyncjobd.watchdog")


class TakesTurns(Protocol):
    """A part of the daemon that the watchdog checks. `turns` counts the turns it has taken."""

    turns: int

    @property
    def owes_turn(self) -> bool: ...


class Watchdog:
    """Checks the parts regularly, and notifies systemd unless one hangs."""

    def __init__(self, parts: Mapping[str, TakesTurns], link: Link) -> None:
        self._parts = parts
        self._link = link
        timeout = float(os.environ.get("WATCHDOG_USEC", 0)) / 1e6  # sd_watchdog_enabled(3)
        self._interval = timeout / CHECKS or INTERVAL
        self._loop = asyncio.get_running_loop()
        self._hanging: list[str] = []  # as the last check has found

    async def run(self) -> None:
        before: dict[str, int] = {}
        while True:
            owing = self._owing()
            self._hanging = [name for name, turns in owing.items() if before.get(name) == turns]
            if self._hanging:
                log.error("daemon.hangs", parts=self._hanging, seconds=self._interval)
            else:
                systemd.notify("WATCHDOG=1")
            before = owing
            await asyncio.sleep(self._interval)

    def problem(self) -> str:
        """Return what keeps the daemon from working now; empty if nothing does. Call it outside the loop's thread."""
        turn = threading.Event()
        self._loop.call_soon_threadsafe(turn.set)
        if not turn.wait(LONGEST_TURN):
            return f"the event loop has taken no turn for {LONGEST_TURN:.0f} s: asyncjobd help event_loop_is_blocked"
        if self._hanging:
            return f"it hangs: {', '.join(self._hanging)}: asyncjobd help daemon_is_silent"
        return ""

    def _owing(self) -> dict[str, int]:
        """Return the parts that owe a turn, with the turns that they have taken."""
        if self._link.away_since is not None:
            return {}
        return {name: part.turns for name, part in self._parts.items() if part.owes_turn}
