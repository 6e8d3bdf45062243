"""Messages to the service manager, as in sd_notify(3)."""

import os
import socket
from contextlib import suppress


def is_there() -> bool:
    """Return whether a service manager has started this process and listens to it."""
    return bool(os.environ.get("NOTIFY_SOCKET"))


def notify(*assignments: str) -> bool:
    """Send assignments such as "READY=1" to the service manager, and return whether it has taken them.

    False means that its queue is full, and that the message should be sent again later. Without a service
    manager nothing is sent, and the return value is True.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return True
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    # A service manager that does not listen is no reason to end jobs, so other errors are ignored.
    with socket.socket(socket.AF_UNIX, kind) as sender, suppress(OSError):
        sender.connect("\0" + address[1:] if address.startswith("@") else address)
        lines = (" ".join(assignment.splitlines()) for assignment in assignments)  # one line an assignment
        try:
            sender.sendall("\n".join(lines).encode("utf-8", "replace"))
        except BlockingIOError:
            return False
    return True
