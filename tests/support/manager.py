"""What systemd would hear of a daemon: a socket for sd_notify(3)."""

import socket
import time
from pathlib import Path

from tests.support.daemon import DEADLINE


class Manager:
    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)

    def heard(self) -> list[str]:
        """What came since the last time."""
        messages = []
        self._socket.setblocking(False)
        try:
            while True:
                messages.append(self._socket.recv(4096).decode())
        except BlockingIOError:
            return messages

    def wait_for(self, message: str) -> str:
        """The next message that has it."""
        deadline = time.monotonic() + DEADLINE
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            if message in (heard := self._socket.recv(4096).decode()):
                return heard
        raise TimeoutError(message)

    def close(self) -> None:
        self._socket.close()
