"""A service manager as systemd is one, which receives a service's messages."""

import select
import socket
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from tests.support.daemon import DEADLINE


class ServiceManager:
    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("")  # abstract, by a name of the kernel's choice
        self._socket.settimeout(DEADLINE)
        self.environment = {"NOTIFY_SOCKET": "@" + self._socket.getsockname()[1:].decode()}

    def wait_for(self, condition: Callable[[str], bool]) -> list[str]:
        """Wait for the first message that meets the condition; return all up to it."""
        deadline = monotonic() + DEADLINE
        messages: list[str] = []
        while not messages or not condition(messages[-1]):
            assert monotonic() < deadline, f"only {messages}"
            messages.append(self._socket.recv(4096).decode())
        return messages

    def stall(self) -> None:
        """Fill the socket, so that further messages do not fit."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
            sender.connect(self._socket.getsockname())
            with suppress(BlockingIOError):
                while True:
                    sender.send(b"X=1")

    def heard(self) -> list[str]:
        """Return the messages that have come by now."""
        messages = []
        while select.select([self._socket], [], [], 0)[0]:
            messages.append(self._socket.recv(4096).decode())
        return messages

    def close(self) -> None:
        self._socket.close()
