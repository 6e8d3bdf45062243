"""Tells systemd that the daemon works, and stops telling where a part of it hangs: then it is restarted.

A part hangs where it owed a turn at the last look, as something waits for it, and still does, and has taken none since:
one that owes it only now may have been asked in this very turn of the event loop. That the database is away, or slow,
is nobody's hang. Without systemd it only says what hangs.
"""

import asyncio
import os
from collections.abc import Mapping
from typing import Protocol

import structlog

from asyncjobd.observability.systemd import notify as systemd
from asyncjobd.postgres.link import Link

LOOKS = 4  # in the time after which systemd restarts the daemon
INTERVAL = 15.0  # seconds between two looks where it does not

log = structlog.get_logger("asyncjobd.watchdog")


class Watched(Protocol):
    turns: int  # taken since the start

    @property
    def owes_turn(self) -> bool: ...


class Watchdog:
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
        """The turns of those that owe one."""
        if self._link.away_since is not None:
            return {}
        return {name: part.turns for name, part in self._parts.items() if part.owes_turn}
