"""A daemon process and its log."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from types import MappingProxyType
from typing import IO, Any, ClassVar

import pytest
import tomli_w

from tests.support import fork_server
from tests.support.actions import COMMON, Actions
from tests.support.fork import Fork

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

ROOT = Path(__file__).parents[2]  # daemons find "tests.support.handlers:succeed" and the like from here
DEADLINE = 20.0  # seconds that any awaited event gets


def write_config(
    folder: Path, dsn: str, actions: Actions | None = None, schema: str = "asyncjob",
    retention: dict[str, str] | None = None, metrics: dict[str, str] | None = None, logging: dict[str, Any] | None = None,
    schedules: dict[str, Any] | None = None, **daemon: Any,
) -> Path:  # fmt: skip
    """Write a configuration, by default with the actions that many tests share; `daemon`: keys of its section."""
    path = folder / "config.toml"
    document = {
        "database": {"dsn": dsn, "schema": schema},
        "daemon": {"name": "test", "handler_path": [str(ROOT)], "lease": "3 s", **daemon},
        "retention": retention or {},
        "metrics": metrics or {},
        "logging": {"format": "json", "level": "debug"} | (logging or {}),
        "actions": COMMON if actions is None else actions,
        "schedules": schedules or {},
    }
    path.write_text(tomli_w.dumps(document))
    return path


class DaemonProcess:
    started: ClassVar[list["DaemonProcess"]] = []

    def __init__(
        self, config: Path, *, is_alone: bool = False, command: Sequence[str] = ("run",), **environment: str
    ) -> None:
        """Start a daemon; `is_alone`: in its own pid namespace, so that others cannot see whether it lives."""
        unshare = [
            "unshare",
            "--pid",
            "--fork",
            "--kill-child",
            *(["--map-root-user"] if os.geteuid() else ["--mount-proc"]),
        ]
        apart = unshare if is_alone else []
        self.config = config
        self._is_alone = is_alone
        self.log = config.with_name(f"daemon-{time.monotonic_ns()}.log")
        self.errors = self.log.with_suffix(".err")
        self._read = 0  # bytes of the log
        self._events: list[dict[str, Any]] = []  # in these
        arguments = ["--config", str(config), *command]
        with self.log.open("wb") as log, self.errors.open("wb") as errors:
            self.process = (
                subprocess.Popen(
                    ["setpriv", "--pdeathsig=KILL", *apart, sys.executable, "-m", "asyncjobd", *arguments],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=errors, env={**os.environ, **environment},
                ) if is_alone or _is_for_the_start(environment) else fork(arguments, log, errors, environment)
            )  # fmt: skip
        self.started.append(self)

    @classmethod
    def kill_all(cls, but: int = 0) -> None:
        """Kill all daemons that were started, except for the first `but`."""
        while len(cls.started) > but:
            process = cls.started.pop().process
            process.kill()
            process.wait()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def daemon_pid(self) -> int:
        """The pid of the daemon itself, which with `is_alone` is a child of `process`."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return int(next(iter(children.read_text().split()), self.pid)) if self._is_alone else self.pid

    def events(self, event: str | None = None, **keys: Any) -> list[dict[str, Any]]:
        """Return the events logged so far with this name and these values."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            whole_lines, newline, _ = log.read().rpartition(b"\n")
        self._read += len(whole_lines + newline)
        self._events += map(json.loads, whole_lines.split(b"\n") if newline else ())
        return [
            entry for entry in self._events
            if event in (None, entry["event"]) and all(entry.get(key) == value for key, value in keys.items())
        ]  # fmt: skip

    def wait_for(self, event: str, **keys: Any) -> dict[str, Any]:
        """Wait for the first such event and return it."""
        deadline = time.monotonic() + DEADLINE
        while not (found := self.events(event, **keys)):
            assert time.monotonic() < deadline, f"no {event} {keys} in {self.log.read_text()[-3000:]}"
            assert self.process.poll() is None, (
                f"the daemon ended: {self.errors.read_text()} {self.log.read_text()[-3000:]}"
            )
            time.sleep(0.01)
        return found[0]

    @property
    def peak(self) -> float:
        """Return the most memory that it has taken so far, in MiB."""
        status = Path(f"/proc/{self.daemon_pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def ready(self) -> "DaemonProcess":
        self.wait_for("daemon.ready")
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the daemon by a signal, and return its exit code."""
        if self.process.poll() is None:
            os.kill(self.daemon_pid, number)
        return self.process.wait(timeout=DEADLINE)

    def wait(self) -> int:
        return self.process.wait(timeout=DEADLINE)


def asyncjobd(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the command line once."""
    if _is_for_the_start(environment):
        return subprocess.run(
            [sys.executable, "-m", "asyncjobd", *arguments],
            capture_output=True, text=True, timeout=60, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    with TemporaryFile() as output, TemporaryFile() as errors:
        process = fork([*arguments], output, errors, environment)
        try:
            code = process.wait(60)
        finally:
            process.kill()
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(arguments, code, output.read().decode(), errors.read().decode())


def fork(
    arguments: list[str],
    output: IO[bytes],
    errors: IO[bytes],
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Fork:
    """Start `python -m asyncjobd` as a fork, without input."""
    fork_server.start()
    with Path(os.devnull).open("rb") as nothing:
        return Fork(arguments, (nothing, output, errors), {**os.environ, **environment})


def _is_for_the_start(environment: Mapping[str, str]) -> bool:
    """Return whether Python or the loader reads some of this when a process starts, which a fork does not."""
    changed = {name for name, value in environment.items() if os.environ.get(name) != value}
    return any(name.startswith(("PYTHON", "LD_")) for name in changed)
