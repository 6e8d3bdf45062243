"""The process of the page: its sockets, and uvicorn as a service of systemd."""

import asyncio
import os
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from asyncjobd.config.errors import ConfigError
from asyncjobd.config.web import WebConfig
from asyncjobd.observability.systemd import notify as systemd
from asyncjobd.web.peer import PeerProtocol

FIRST_PASSED = 3  # descriptors below it are the standard streams, sd_listen_fds(3)
BACKLOG = 128
MOST_CONNECTIONS = 500  # a browser may open six
KEEP_ALIVE_SECONDS = 15  # a page looks again each second or two
STOP_SECONDS = 1  # that requests have to end
EVERYBODY = 0o666  # may connect: who may look is decided by who it is


class WebServer(uvicorn.Server):
    """Serves an application until SIGTERM or SIGINT, and then stops at once, whoever is connected."""

    def __init__(self, app: ASGIApp) -> None:
        watchdog = float(os.environ.get("WATCHDOG_USEC", 0)) / 1e6  # sd_watchdog_enabled(3)
        super().__init__(
            uvicorn.Config(
                app, http=PeerProtocol, ws="none", loop="asyncio", log_config=None, log_level="warning",
                access_log=False, proxy_headers=False, server_header=False, limit_concurrency=MOST_CONNECTIONS,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=STOP_SECONDS, timeout_notify=int(watchdog / 3),
                callback_notify=_tell_alive if watchdog else None,
            )
        )  # fmt: skip

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal; uvicorn itself would raise it again afterwards, so that a stop looks like a crash."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and tell the service manager."""
        await super().startup(sockets)
        systemd.notify("READY=1")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell the service manager, and end."""
        systemd.notify("STOPPING=1")
        await super().shutdown(sockets)


async def _tell_alive() -> None:
    systemd.notify("WATCHDOG=1")


def sockets_of(config: WebConfig, path: Path) -> list[socket.socket]:
    """Return the sockets to listen on: what the service manager has passed, else the path and [web] listen.

    Raise ConfigError where one cannot be had.
    """
    passed = _passed_sockets()
    if passed:
        return passed
    sockets = [_unix_socket(path)]
    if config.address is not None:
        sockets.append(_tcp_socket(*config.address))
    return sockets


def _passed_sockets() -> list[socket.socket]:
    """Return the sockets of LISTEN_FDS that are meant for this process, sd_listen_fds(3)."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(os.environ.get("LISTEN_FDS", 0))
    sockets = [socket.socket(fileno=number) for number in range(FIRST_PASSED, FIRST_PASSED + count)]
    for each in sockets:
        each.set_inheritable(False)
    return sockets


def _unix_socket(path: Path) -> socket.socket:
    """Return a socket at the path, in place of one that nobody serves any more."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if _is_served(path):
            raise ConfigError(
                f"{path}: another `asyncjobd web` serves it: stop that, or give this one its --socket"
            )
        with suppress(FileNotFoundError):
            if stat.S_ISSOCK(path.lstat().st_mode):
                path.unlink()
        listener.bind(str(path))
        path.chmod(EVERYBODY)
    except OSError as error:
        listener.close()
        raise ConfigError(f"{path}: no socket can be made here: {error.strerror or error}") from error
    except BaseException:
        listener.close()
        raise
    listener.listen(BACKLOG)
    return listener


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True


def _tcp_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(f"[web] listen: {host}:{port}: {error.strerror or error}") from error
