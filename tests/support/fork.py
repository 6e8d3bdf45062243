"""A process of `python -m asyncjobd` that is a fork of one that has imported it, in a tenth of the time.

`python -S fork.py ARGUMENT...` is the command asyncjobd by such a fork. Its environment has FORKS, as that of every
process has that `fork_server` serves.
"""

import array
import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from struct import unpack
from typing import IO

FORKS = "ASYNCJOBD_TEST_FORKS"  # the name of the server's socket
LARGEST_REQUEST = 1_000_000  # bytes
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


class Fork:
    """A process with the part of `subprocess.Popen` that tests use."""

    def __init__(
        self, arguments: list[str], files: tuple[IO[bytes] | int, ...], environment: dict[str, str]
    ) -> None:
        """Start `python -m asyncjobd` with these arguments. `files`: its input, its output and its errors."""
        self._arguments = arguments
        self.returncode: int | None = None
        self._status, status = os.pipe()
        request = json.dumps([arguments, environment, str(Path.cwd())]).encode()
        assert len(request) < LARGEST_REQUEST
        descriptors = [file if isinstance(file, int) else file.fileno() for file in files]
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
            server.connect(f"\0{os.environ[FORKS]}")
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [*descriptors, status]))
            server.sendmsg([request], [rights])
        os.close(status)
        self.pid = unpack("i", os.read(self._status, 4))[0]

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code. Raise TimeoutExpired after `timeout` seconds."""
        if self._ended(timeout) is None:
            raise subprocess.TimeoutExpired(self._arguments, timeout or 0.0)
        assert self.returncode is not None
        return self.returncode

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], timeout)[0]:
            self.returncode = os.waitstatus_to_exitcode(unpack("i", os.read(self._status, 4))[0])
            os.close(self._status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def main() -> None:
    fork = Fork(sys.argv[1:], (0, 1, 2), dict(os.environ))
    for number in FORWARDED:
        signal.signal(number, lambda number, _: fork.send_signal(number))
    code = fork.wait()
    sys.exit(code if code >= 0 else 128 - code)  # as a shell tells of a process that a signal has ended


if __name__ == "__main__":
    main()
