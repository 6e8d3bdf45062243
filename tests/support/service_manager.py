"""What systemd is to a service: it receives what the service says of itself."""

import select
import socket
from collections.abc import Callable
from time import monotonic

from tests.support.daemon import DEADLINE


class ServiceManager:
    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("")  # abstract, by a name of the kernel's choice
        self._socket.settimeout(DEADLINE)
        self.environment = {"NOTIFY_SOCKET": "@" + self._socket.getsockname()[1:].decode()}

    def wait_for(self, condition: Callable[[str], bool]) -> list[str]:
        """All messages up to the first of that kind."""
        deadline = monotonic() + DEADLINE
        messages: list[str] = []
        while not messages or not condition(messages[-1]):
            assert monotonic() < deadline, f"only {messages}"
            messages.append(self._socket.recv(4096).decode())
        return messages

    def heard(self) -> list[str]:
        """What has come by now."""
        messages = []
        while select.select([self._socket], [], [], 0)[0]:
            messages.append(self._socket.recv(4096).decode())
        return messages

    def close(self) -> None:
        self._socket.close()
