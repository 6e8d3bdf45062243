"""Log events as entries of systemd's journal, written by its native protocol.

An entry has a field ASYNCJOBD_KEY for each key of the event: `journalctl ASYNCJOBD_JOB_ID=42`. They have a
prefix because JOB_ID and others are fields of systemd itself. See systemd.io/JOURNAL_NATIVE_PROTOCOL.
"""

import errno
import fcntl
import os
import re
import socket
import sys
from io import FileIO
from typing import Any

import msgspec

from asyncjobd.observability.logging.json_lines import as_text

SOCKET_PATH = "/run/systemd/journal/socket"
SEND_BUFFER_BYTES = 8_388_608  # the size of the kernel's buffer for a journal that is busy
TOO_LARGE_ERRORS = {errno.EMSGSIZE, errno.ENOBUFS}
PRIORITIES = {"debug": b"7", "info": b"6", "warning": b"4", "error": b"3", "critical": b"2"}  # syslog(3)
IDENTIFIER = b"SYSLOG_IDENTIFIER=asyncjobd\n"


def is_standard_output() -> bool:
    """Return whether systemd has connected the standard output to the journal."""
    try:
        status = os.fstat(sys.stdout.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class Journal:
    """A sink that sends each chunk as one entry of the journal."""

    def __init__(self, path: str = SOCKET_PATH) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def write(self, chunks: list[bytes]) -> list[bytes]:
        """Send the entries, and return those that could not be sent."""
        return [entry for entry in chunks if not self._send(entry)]

    def lines(self, chunk: bytes) -> int:
        """Return 1: a chunk is one entry."""
        return 1

    def _send(self, entry: bytes) -> bool:
        try:
            try:
                self._socket.sendto(entry, self._path)
            except OSError as error:
                if error.errno not in TOO_LARGE_ERRORS:
                    raise
                self._send_as_file(entry)
        except OSError:
            return False
        return True

    def _send_as_file(self, entry: bytes) -> None:
        """Send an entry that is too large for a datagram as a sealed file."""
        with FileIO(os.memfd_create("asyncjobd-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "wb") as file:
            file.write(entry)
            seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
            descriptor = (socket.SOL_SOCKET, socket.SCM_RIGHTS, file.fileno().to_bytes(4, sys.byteorder))
            self._socket.sendmsg([b""], [descriptor], 0, self._path)


def entry(_logger: Any, _method: str, event: dict[str, Any]) -> bytes:
    """Render an event as a journal entry; the last processor of structlog's chain."""
    level, name = event.pop("level"), _value(event.pop("event", None))
    trace = event.pop("traceback", None) or event.pop("exception", None)
    values = {key: _value(value) for key, value in event.items() if value is not None}
    message = " ".join([name, *(f"{key}={value}" for key, value in values.items())])
    fields = [
        b"PRIORITY=" + PRIORITIES[level] + b"\n" + IDENTIFIER,
        _field("MESSAGE", f"{message}\n{trace}" if trace else message),
        _field("ASYNCJOBD_EVENT", name),
        *(
            _field(f"ASYNCJOBD_{re.sub('[^A-Z0-9_]', '_', key.upper())}", value)
            for key, value in values.items()
        ),
    ]
    return b"".join(fields)


def _value(value: Any) -> str:
    if isinstance(value, str | int | float):
        return str(value)
    try:
        return msgspec.json.encode(value, enc_hook=repr).decode()
    except Exception:
        return as_text(value)


def _field(name: str, value: str) -> bytes:
    encoded = value.encode("utf-8", "replace")
    if b"\n" in encoded:
        return name.encode() + b"\n" + len(encoded).to_bytes(8, "little") + encoded + b"\n"
    return name.encode() + b"=" + encoded + b"\n"
