"""The watchdog: tells systemd that the daemon works, so that systemd restarts a daemon that hangs.

A part hangs if it had work at two checks in a row and did not take a turn in between. A single check is not
enough, as the work may have arrived just then. Waiting for a slow or absent database is not a hang. Without
systemd a hang is only logged.
"""

import asyncio
import os
from collections.abc import Mapping
from typing import Protocol

import structlog

from asyncjobd.observability.systemd import notify as systemd
from asyncjobd.postgres.link import Link

LOOKS = 4  # checks during WatchdogSec, the time after which systemd restarts the daemon
INTERVAL = 15.0  # seconds between two checks without systemd

log = structlog.get_logger("asyncjobd.watchdog")


class Watched(Protocol):
    """A part of the daemon that the watchdog checks. `turns` counts the turns it has taken."""

    turns: int

    @property
    def owes_turn(self) -> bool:
        """True if the part has work to do."""


class Watchdog:
    """Checks the parts regularly, and notifies systemd unless one hangs."""

    def __init__(self, parts: Mapping[str, Watched], link: Link) -> None:
        self._parts = parts
        self._link = link
        fed_within = float(os.environ.get("WATCHDOG_USEC", 0)) / 1e6  # sd_watchdog_enabled(3)
        self._interval = fed_within / LOOKS or INTERVAL

    async def run(self) -> None:
        before: dict[str, int] = {}
        while True:
            owing = self._owing()
            if hanging := [name for name, turns in owing.items() if before.get(name) == turns]:
                log.error("daemon.hangs", parts=hanging, seconds=self._interval)
            else:
                systemd.notify("WATCHDOG=1")
            before = owing
            await asyncio.sleep(self._interval)

    def _owing(self) -> dict[str, int]:
        """Return the turns taken by each part that has work; none while the database is away."""
        if self._link.away_since is not None:
            return {}
        return {name: part.turns for name, part in self._parts.items() if part.owes_turn}
