"""A daemon under faults, with its own way to the servers and a wrong clock."""

import asyncio
import os
import random
import signal
from contextlib import suppress
from pathlib import Path
from time import monotonic

from tests.faults import ledger_handlers
from tests.faults.ledger import Life
from tests.faults.proxy import Proxy
from tests.support.actions import actions_of
from tests.support.daemon import DEADLINE, DaemonProcess, write_config
from tests.support.faketime import faketime

LEASE = 3.0  # seconds
CONCURRENCY = 20
POLL = 0.02
ACTIONS = actions_of(ledger_handlers)


class Machine:
    """A host's daemon: its processes, one life after the other."""

    def __init__(
        self, name: str, folder: Path, ledger: Path, proxies: list[Proxy], is_alone: bool, seed: int
    ) -> None:
        self.name = name
        self.proxies = proxies
        self.lives: list[Life] = []
        self._folder = folder
        self._ledger = ledger
        self._is_alone = is_alone  # in a pid namespace of its own: as far as others can tell, another host
        self._random = random.Random(seed)
        hosts = ",".join(f"127.0.0.1:{proxy.port}" for proxy in proxies)
        folder.mkdir()
        self._config = write_config(
            folder, f"postgresql://postgres@{hosts}/postgres", ACTIONS, name=name, lease=f"{LEASE} s", concurrency=CONCURRENCY,
            shutdown_grace="1 s",
        )  # fmt: skip
        self.is_busy = True  # with a fault: it gets no other meanwhile

    def start(self) -> None:
        self.is_busy = False
        life = f"{self.name}.{len(self.lives)}"
        self.step_clock()
        self.process = DaemonProcess(
            self._config, is_alone=self._is_alone, LEDGER_LIFE=life, LEDGER_FILE=str(self._ledger),
            **faketime(self._folder / "clock"),
        )  # fmt: skip
        self.lives.append(Life(life, CONCURRENCY, self.process.log))

    def step_clock(self) -> None:
        """Set the clock wrong by up to ten minutes, either way."""
        (self._folder / "clock").write_text(f"{self._random.randint(-600, 600):+d}s\n")

    def has_ended(self) -> bool:
        if self.process.process.poll() is None:
            return False
        self.life.end = min(self.life.end, monotonic() - POLL)
        return True

    async def ended(self) -> None:
        async with asyncio.timeout(DEADLINE):
            while not self.has_ended():
                await asyncio.sleep(POLL)

    @property
    def life(self) -> Life:
        return self.lives[-1]

    def kill(self) -> None:
        self.is_busy = True
        self.life.was_killed = True
        self.signal(signal.SIGKILL)
        self.life.end = monotonic()

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.process.daemon_pid, number)
