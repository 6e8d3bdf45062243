"""systemd's journal, by its native protocol: each event is an entry with a field for each of its keys.

The fields are called ASYNCJOBD_KEY, as the bare JOB_ID and others are systemd's own: `journalctl ASYNCJOBD_JOB_ID=42`.
See systemd.io/JOURNAL_NATIVE_PROTOCOL.
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

from asyncjobd.observability.logging.json_lines import shown

ADDRESS = "/run/systemd/journal/socket"
BUFFER = 8_388_608  # bytes: what the kernel holds while the journal is busy
TOO_LARGE = {errno.EMSGSIZE, errno.ENOBUFS}
PRIORITIES = {"debug": b"7", "info": b"6", "warning": b"4", "error": b"3", "critical": b"2"}  # syslog(3)
IDENTIFIER = b"SYSLOG_IDENTIFIER=asyncjobd\n"


def is_standard_output() -> bool:
    """Whether systemd has connected it to the journal."""
    try:
        status = os.fstat(sys.stdout.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class Journal:
    """Each chunk is one entry."""

    def __init__(self, address: str = ADDRESS) -> None:
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)

    def write(self, chunks: list[bytes]) -> list[bytes]:
        return [entry for entry in chunks if not self._send(entry)]

    def lines(self, chunk: bytes) -> int:
        return 1

    def _send(self, entry: bytes) -> bool:
        try:
            try:
                self._socket.sendto(entry, self._address)
            except OSError as error:
                if error.errno not in TOO_LARGE:
                    raise
                self._pass(entry)
        except OSError:
            return False
        return True

    def _pass(self, entry: bytes) -> None:
        """An entry that is too large for a message goes as a sealed file."""
        with FileIO(os.memfd_create("asyncjobd-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "wb") as file:
            file.write(entry)
            seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
            descriptor = (socket.SOL_SOCKET, socket.SCM_RIGHTS, file.fileno().to_bytes(4, sys.byteorder))
            self._socket.sendmsg([b""], [descriptor], 0, self._address)


def entry(_logger: Any, _method: str, event: dict[str, Any]) -> bytes:
    """Renders an event, as the last of structlog's processors."""
    level, name = event.pop("level"), _text(event.pop("event", None))
    trace = event.pop("traceback", None) or event.pop("exception", None)
    values = {key: _text(value) for key, value in event.items() if value is not None}
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


def _text(value: Any) -> str:
    if isinstance(value, str | int | float):
        return str(value)
    try:
        return msgspec.json.encode(value, enc_hook=repr).decode()
    except Exception:
        return shown(value)


def _field(name: str, value: str) -> bytes:
    encoded = value.encode("utf-8", "replace")
    if b"\n" in encoded:
        return name.encode() + b"\n" + len(encoded).to_bytes(8, "little") + encoded + b"\n"
    return name.encode() + b"=" + encoded + b"\n"
