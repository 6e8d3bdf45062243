"""The process that `fork.Fork` asks for forks: it has imported what a daemon and a command need.

`python -m tests.support.fork_server FD` serves the listening socket FD. For each request it forks, tells by a pipe
which process that is, and how it has ended.
"""

import ctypes
import gc
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
from struct import pack

from asyncjobd.postgres.statement import load_statement, query_names
from tests.support.fork import FORKS, LARGEST_REQUEST

PR_SET_PDEATHSIG = 1
PRELOADED = ("asyncjobd.cli.environment", "asyncjobd.cli.run", "asyncjobd.engine.daemon")


@cache
def start() -> "subprocess.Popen[bytes]":
    """Start the server for this process and all that it starts, unless it has been started."""
    name = f"asyncjobd-forks-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"\0{name}")
        listener.listen(100)
        command = [sys.executable, "-m", __name__, str(listener.fileno())]
        server = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", *command],
            pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL,
        )  # fmt: skip
    os.environ[FORKS] = name
    return server


class Server:
    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._ended, self._wakeup = os.pipe()
        self._pipes: dict[int, int] = {}  # by the pid of the fork

    def run(self) -> None:
        os.set_blocking(self._wakeup, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakeup)
        while True:
            readable, _, _ = select.select([self._listener.fileno(), self._ended], [], [])
            if self._ended in readable:
                os.read(self._ended, 4096)
                self._tell()
            if self._listener.fileno() in readable:
                self._fork()

    def _fork(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            request, descriptors, _, _ = socket.recv_fds(connection, LARGEST_REQUEST, 4)
        *files, status = descriptors
        pid = os.fork()
        if pid == 0:
            others = [self._listener.detach(), self._ended, self._wakeup, status, *self._pipes.values()]
            _run(request, files, others)
        for file in files:
            os.close(file)
        os.write(status, pack("i", pid))
        self._pipes[pid] = status

    def _tell(self) -> None:
        while self._pipes:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            pipe = self._pipes.pop(pid)
            with suppress(BrokenPipeError):  # whoever has started it does not ask any more
                os.write(pipe, pack("i", status))
            os.close(pipe)


def _run(request: bytes, files: list[int], others: list[int]) -> None:
    """Become `python -m asyncjobd`. It ends by SystemExit, which ends this process as that one."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for descriptor in others:
        os.close(descriptor)
    for number, descriptor in enumerate(files):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    arguments, environment, folder = json.loads(request)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path[0] = folder
    sys.path[1:1] = [path for path in environment.get("PYTHONPATH", "").split(":") if path]
    sys.argv = ["asyncjobd", *arguments]
    runpy.run_module("asyncjobd", run_name="__main__", alter_sys=True)
    sys.exit()


def main(listener: socket.socket) -> None:
    for module in PRELOADED:
        __import__(module)
    for name in query_names():
        load_statement(name)
    gc.freeze()  # else each fork copies the pages of all these objects at its end, to collect them
    Server(listener).run()


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
