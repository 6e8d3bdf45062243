"""Takes up changed actions without a restart: on SIGHUP, and when a file in actions.d was added, changed or removed."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from time import monotonic_ns

import msgspec
import structlog

from asyncjobd.actions.catalog import Action, load_actions
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.load import load_config
from asyncjobd.config.model import Config
from asyncjobd.engine.wake import Wake
from asyncjobd.observability.systemd import notify as systemd

INTERVAL = 2.0  # seconds between two looks at actions.d

log = structlog.get_logger("asyncjobd.reloader")

Stamp = dict[str, tuple[int, int]]
TakeUp = Callable[[Config, dict[str, Action]], Awaitable[None]]


class Reloader:
    def __init__(
        self, config: Config, threads: Executor | None, is_ready: asyncio.Event, take_up: TakeUp
    ) -> None:
        """`is_ready`: the daemon is, and the service manager knows."""
        self._config = config
        self._threads = threads
        self._is_ready = is_ready
        self._take_up = take_up
        self._asked = Wake()
        self.refused: str | None = None  # why the last change was
        self.is_importing = False  # in a thread, which nobody can stop

    def ask(self) -> None:
        self._asked.set()

    async def run(self) -> None:
        if self._config.path is None:
            await asyncio.Event().wait()
        await self._is_ready.wait()
        seen = self._drop_ins()
        if self._is_stale():  # it may have waited long for its database
            self.ask()
        while True:
            is_asked = await self._asked.wait(INTERVAL)
            found = self._drop_ins()
            if is_asked or found != seen:
                seen = found
                systemd.notify("RELOADING=1", f"MONOTONIC_USEC={monotonic_ns() // 1000}")
                await self._reload()
                systemd.notify("READY=1")

    def _drop_ins(self) -> Stamp:
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
        """A configuration that cannot be used changes nothing."""
        try:
            config = self._read()
            await self._take_up(config, await asyncio.to_thread(self._import, config))
        except ConfigError as error:
            self.refused = str(error)
            log.error(
                "config.refused", reason=self.refused, consequence="the daemon goes on with the one it has"
            )
            return
        self.refused = None
        before, self._config = self._config, config
        log.info(
            "config.reloaded",
            added=sorted(config.actions.keys() - before.actions.keys()),
            changed=sorted(
                name for name, action in config.actions.items() if before.actions.get(name, action) != action
            ),
            removed=sorted(before.actions.keys() - config.actions.keys()),
        )
        for section in _unheeded(before, config):
            log.warning("config.needs_restart", section=section)


def _unheeded(before: Config, config: Config) -> list[str]:
    """The sections of which only a restart takes up what was changed."""
    replace = msgspec.structs.replace
    config = replace(
        config,
        daemon=replace(config.daemon, hooks=before.daemon.hooks),
        logging=replace(config.logging, level=before.logging.level),
    )
    sections = "daemon", "logging", "retention", "metrics"
    return [name for name in sections if getattr(config, name) != getattr(before, name)]
