"""Takes up a changed configuration without a restart: on SIGHUP, and when a file in actions.d has changed."""

import asyncio
import os
from concurrent.futures import Executor
from time import monotonic_ns

import msgspec
import structlog

from asyncjobd.actions.catalog import Action, ActionCatalog, load_actions
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.load import load_config
from asyncjobd.config.model import Config
from asyncjobd.engine.fleet.registration import Registration
from asyncjobd.engine.signals import Signals
from asyncjobd.engine.wake import Wake
from asyncjobd.observability.logging import setup as logs
from asyncjobd.observability.systemd import notify as systemd
from asyncjobd.workers.pool import WorkerPool

CHECK_INTERVAL = 2.0  # seconds between two looks at actions.d

log = structlog.get_logger("asyncjobd.reloader")

Stamp = dict[str, tuple[int, int]]  # inode and modification time of each file


class Reloader:
    def __init__(
        self,
        config: Config,
        threads: Executor | None,
        registration: Registration,
        workers: WorkerPool,
        catalog: ActionCatalog,
        signals: Signals,
        is_ready: asyncio.Event,
    ) -> None:
        """Create the reloader, which waits until `is_ready` is set. `threads` run synchronous functions."""
        self._config = config
        self._threads = threads
        self._registration = registration
        self._workers = workers
        self._catalog = catalog
        self._signals = signals
        self._is_ready = is_ready
        self._asked = Wake()
        self.is_importing = False  # a thread imports, which nobody can stop

    def ask(self) -> None:
        """Reload soon, even if nothing in actions.d has changed."""
        self._asked.set()

    async def run(self) -> None:
        if self._config.path is None:
            return
        await self._is_ready.wait()
        seen = self._stamp()
        if self._is_stale():  # the daemon may have waited long for its database
            self.ask()
        while True:
            is_asked = await self._asked.wait(CHECK_INTERVAL)
            found = self._stamp()
            if is_asked or found != seen:
                seen = found
                systemd.notify("RELOADING=1", f"MONOTONIC_USEC={monotonic_ns() // 1000}")
                await self._reload()
                systemd.notify("READY=1")

    def _stamp(self) -> Stamp:
        """Return the inode and the time of change of each file in actions.d."""
        try:
            with os.scandir(self._config.drop_in_directory) as entries:
                files = [entry for entry in entries if entry.name.endswith(".toml")]
                return {file.name: (file.inode(), file.stat().st_mtime_ns) for file in files}
        except OSError:
            return {}

    def _is_stale(self) -> bool:
        try:
            return self._read() != self._config
        except ConfigError:
            return True

    def _read(self) -> Config:
        return msgspec.structs.replace(load_config(self._config.path), database=self._config.database)

    def _import(self, config: Config) -> dict[str, Action]:
        self.is_importing = True
        try:
            return load_actions(config, self._threads)
        finally:
            self.is_importing = False

    async def _reload(self) -> None:
        """Take up the configuration. One that cannot be used changes nothing."""
        try:
            config = self._read()
            actions = await asyncio.to_thread(self._import, config)
            await self._registration.replace(config, actions)
        except ConfigError as error:
            self._catalog.refusal = str(error)
            log.error(
                "config.refused", reason=str(error), consequence="the daemon goes on with the one it has"
            )
            return
        logs.apply_config(config)
        self._catalog.replace(self._workers.isolate(actions))
        self._catalog.refusal = None
        self._signals.actions_replaced.set()
        self._signals.look_again()
        before, self._config = self._config, config
        _log_changes(before, config)


def _log_changes(before: Config, config: Config) -> None:
    changed = [name for name, action in config.actions.items() if before.actions.get(name, action) != action]
    log.info(
        "config.reloaded",
        added=sorted(config.actions.keys() - before.actions.keys()),
        changed=sorted(changed),
        removed=sorted(before.actions.keys() - config.actions.keys()),
    )
    if before.actions and not config.actions:
        log.warning("config.has_no_actions", consequence="this daemon runs no jobs")
    for section in _need_restart(before, config):
        log.warning("config.needs_restart", section=section)


def _need_restart(before: Config, config: Config) -> list[str]:
    """Return the sections that were changed, and are taken up by a restart only."""
    replace = msgspec.structs.replace
    config = replace(
        config,
        daemon=replace(config.daemon, hooks=before.daemon.hooks),
        logging=replace(config.logging, level=before.logging.level),
    )
    sections = "daemon", "logging", "retention", "metrics"
    return [name for name in sections if getattr(config, name) != getattr(before, name)]
