"""A host on which a daemon runs, one life after the other."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import copy_context
from datetime import timedelta
from pathlib import Path
from random import Random

from asyncjobd.actions.catalog import load_actions
from asyncjobd.config.model import ActionConfig, Config, DaemonConfig, RetentionConfig
from asyncjobd.engine.daemon import Daemon
from asyncjobd.engine.fleet.heartbeat import WrittenOff
from tests.faults.ledger import Life
from tests.simulation import handlers
from tests.simulation.database import SteeredDatabase
from tests.simulation.loop import Threads, VirtualLoop, owner
from tests.simulation.plan import Host
from tests.simulation.route import Route

KINDS = ("quick", "sleeps", "sleeps_in_thread", "blocks_loop", "writes", "fails_twice", "raises_twice",
         "swallows_cancellation", "reports", "outlasts", "spawns")  # fmt: skip
ACTIONS = {
    kind: ActionConfig(
        handler=f"{handlers.__name__}:{kind}", timeout="1 second" if kind == "outlasts" else None
    )
    for kind in KINDS
}


def beside(life: str) -> str:
    """Return the owner of what a daemon does apart from its event loop."""
    return f"{life} heartbeat"


@asynccontextmanager
async def apart(work: Callable[[], Awaitable[None]]) -> AsyncIterator["asyncio.Future[None]"]:
    """Run `work` beside the daemon's loop: a blocked loop does not hold it up, a frozen daemon does."""
    context = copy_context()
    context.run(owner.set, beside(owner.get()))
    loop = asyncio.get_running_loop()
    running: asyncio.Task[None] = loop.create_task(work(), context=context)  # type: ignore[arg-type]
    try:
        yield running
    finally:
        running.cancel()


class Machine:
    def __init__(
        self, name: str, folder: Path, database: Callable[[Route], SteeredDatabase], host: Host,
        latency: float, random: Random, retention: RetentionConfig,
    ) -> None:  # fmt: skip
        """`folder` is for the logs; `database` returns the database along a way."""
        self._folder = folder
        self._database = database
        self._random = random
        self._name = name
        self._host = host
        self._retention = retention
        self._daemon: Daemon | None = None
        self._tasks: list[asyncio.Task[None]] = []  # also of daemons that were killed, which never end
        self.lives: list[Life] = []
        self.stalled: set[str] = set()  # the lives that could not act for a while
        self.errors: list[str] = []
        self.route = Route(random, latency)
        self.fault = asyncio.Lock()  # held by the fault that it has

    @property
    def life(self) -> Life:
        return self.lives[-1]

    @property
    def owners(self) -> tuple[str, str]:
        return self.life.name, beside(self.life.name)

    @property
    def _loop(self) -> VirtualLoop:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        return loop

    def start(self) -> None:
        """Start a daemon, with a new process's own state."""
        name = f"{self._name}.{len(self.lives)}"
        self.lives.append(Life(name, self._host.concurrency, self._folder / f"{name}.log"))
        self.life.log.touch()
        context = copy_context()
        context.run(owner.set, name)
        self._tasks.append(self._loop.create_task(self._live(self.life), context=context))

    async def _live(self, life: Life) -> None:
        config = Config(
            daemon=DaemonConfig(
                name=self._name, concurrency=self._host.concurrency, lease=timedelta(seconds=self._host.lease),
                shutdown_grace=timedelta(seconds=2), unknown_name_grace=timedelta(seconds=5),
            ),
            actions=ACTIONS,
            retention=self._retention,
        )  # fmt: skip
        threads = Threads(self._loop, self._random)
        database = self._database(self.route)
        try:
            self._daemon = daemon = Daemon(
                config, database, load_actions(config, threads), threads, apart, self._random
            )
            await daemon.register()
            await daemon.run()
        except WrittenOff:
            pass
        except Exception as error:
            self.errors.append(f"daemon {life.name} ended with {error!r}")
            raise
        finally:
            life.end = self._loop.time()

    def stop(self) -> None:
        """Ask the daemon to stop, as SIGTERM does."""
        if self._daemon is not None:
            self._daemon.stop()

    @property
    def has_ended(self) -> bool:
        return self.life.end <= self._loop.time()

    def kill(self) -> None:
        """End the daemon as SIGKILL does: it does nothing more, and its connections end."""
        self.life.was_killed = True
        self.life.end = self._loop.time()
        self._loop.remove(*self.owners)
        for session in list(self.route.sessions):
            session.terminate()

    def notify(self, channel: str, payload: str) -> None:
        """Deliver a notification to the sessions that listen."""
        for session in self.route.sessions:
            session.notified(channel, payload)

    def freeze(self) -> None:
        self.stalled.add(self.life.name)
        self._loop.pause(*self.owners)

    def thaw(self) -> None:
        self._loop.resume(*self.owners)
