"""Processes of `python -m asyncjobd` that begin as forks of one that has imported it, in a tenth of the time.

`python -m tests.support.forks FD` is that process: it forks for each request that comes by the socket FD, tells by a
pipe how the fork has ended, and ends with the socket.
"""

import array
import ctypes
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from struct import pack, unpack
from typing import IO

from asyncjobd.postgres.statement import load_statement, query_names

PR_SET_PDEATHSIG = 1
REQUEST = 1_000_000  # bytes at most
PRELOADED = ("asyncjobd.cli.environment", "asyncjobd.cli.run", "asyncjobd.engine.daemon")


class Fork:
    """A process with the part of `subprocess.Popen` that tests use."""

    def __init__(self, arguments: list[str], stdout: IO[bytes], stderr: IO[bytes]) -> None:
        self._arguments = arguments
        self.returncode: int | None = None
        self._status, status = os.pipe()
        request = json.dumps([arguments, dict(os.environ), str(Path.cwd())]).encode()
        assert len(request) < REQUEST
        descriptors = array.array("i", [stdout.fileno(), stderr.fileno(), status])
        _parent()[0].sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
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


@cache
def _parent() -> tuple[socket.socket, "subprocess.Popen[bytes]"]:
    """Start the process that forks, and return the socket for requests, and the process."""
    ours, others = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = ["setpriv", "--pdeathsig=KILL", sys.executable, "-m", __name__, str(others.fileno())]
    process = subprocess.Popen(command, pass_fds=[others.fileno()], stdin=subprocess.DEVNULL)
    others.close()
    return ours, process


def main(requests: socket.socket) -> None:
    for module in PRELOADED:
        __import__(module)
    for name in query_names():
        load_statement(name)
    ended, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakeup)
    pipes: dict[int, int] = {}  # by the pid of the fork
    while True:
        readable, _, _ = select.select([requests.fileno(), ended], [], [])
        if ended in readable:
            os.read(ended, 4096)
            _tell(pipes)
        if requests.fileno() in readable:
            request, descriptors, _, _ = socket.recv_fds(requests, REQUEST, 3)
            if not request:
                return
            stdout, stderr, status = descriptors
            pid = os.fork()
            if pid == 0:
                _run(request, stdout, stderr, [requests.detach(), ended, wakeup, status, *pipes.values()])
            os.close(stdout)
            os.close(stderr)
            os.write(status, pack("i", pid))
            pipes[pid] = status


def _tell(pipes: dict[int, int]) -> None:
    while pipes:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        pipe = pipes.pop(pid)
        with suppress(BrokenPipeError):  # whoever has started it does not ask any more
            os.write(pipe, pack("i", status))
        os.close(pipe)


def _run(request: bytes, stdout: int, stderr: int, others: list[int]) -> None:
    """Become `python -m asyncjobd`. It ends by SystemExit, which ends this process as that one."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for descriptor in others:
        os.close(descriptor)
    for descriptor, number in ((stdout, 1), (stderr, 2)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    arguments, environment, folder = json.loads(request)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path[0] = folder
    sys.argv = ["asyncjobd", *arguments]
    runpy.run_module("asyncjobd", run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
