"""What systemd is told: sd_notify(3)."""

import os
import socket
from contextlib import suppress


def is_there() -> bool:
    """A service manager started us, and listens."""
    return bool(os.environ.get("NOTIFY_SOCKET"))


def notify(*assignments: str) -> bool:
    """Sends "READY=1" and the like to the service manager; without one, nothing. False where it is behind with what it
    was sent, and takes no more for a while."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return True
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    with (
        socket.socket(socket.AF_UNIX, kind) as sender,
        suppress(OSError),
    ):  # one that does not listen ends no job
        sender.connect("\0" + address[1:] if address.startswith("@") else address)
        lines = (" ".join(assignment.splitlines()) for assignment in assignments)  # a line is an assignment
        try:
            sender.sendall("\n".join(lines).encode("utf-8", "replace"))
        except BlockingIOError:
            return False
    return True
