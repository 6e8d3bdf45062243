"""What systemd is told: sd_notify(3)."""

import os
import socket
from contextlib import suppress


def is_there() -> bool:
    """A service manager started us, and listens."""
    return bool(os.environ.get("NOTIFY_SOCKET"))


def notify(*assignments: str) -> None:
    """Sends "READY=1" and the like to the service manager; without one, nothing."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    with socket.socket(socket.AF_UNIX, kind) as sender, suppress(OSError):  # a manager that does not listen ends no job
        sender.connect("\0" + address[1:] if address.startswith("@") else address)
        lines = (" ".join(assignment.splitlines()) for assignment in assignments)  # a line is an assignment
        sender.sendall("\n".join(lines).encode("utf-8", "replace"))
