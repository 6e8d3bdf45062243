"""Runs commands, as scripts and people do."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

from tests.support.daemon import asyncjobd, write_config

HANDLERS = Path(__file__).parent
ACTIONS = {
    name: {"handler": f"handlers_for_commands:{name}"} for name in ("succeed", "block", "fail", "greet")
}


def config_of(folder: Path, dsn: str, actions: dict[str, Any] | None = None, **daemon: Any) -> Path:
    """Return a configuration file with the actions of handlers_for_commands, or with others."""
    return write_config(
        folder, dsn, ACTIONS if actions is None else actions, handler_path=[str(HANDLERS)], **daemon
    )


def run(config: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command with a configuration."""
    return asyncjobd("--config", str(config), *arguments, **environment)


def printed(config: Path, *arguments: str) -> str:
    """Return what a command that succeeds prints."""
    done = run(config, *arguments)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def on_terminal(config: Path, *arguments: str, columns: int) -> str:
    """Return what a command prints on a terminal of this width, without its colours."""
    reader, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    command = [sys.executable, "-m", "asyncjobd", "--config", str(config), *arguments]
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    with subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment
    ) as process:
        os.close(terminal)
        output = b"".join(iter(lambda: _read(reader), b""))
    os.close(reader)
    assert process.returncode in {0, 1}, output
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", output.decode()).replace("\r\n", "\n")


def _read(reader: int) -> bytes:
    try:
        return os.read(reader, 65536)
    except OSError:  # the command has ended
        return b""


def refused(config: Path, *arguments: str, code: int = 1) -> str:
    """Return the errors of a command that ends with this exit code."""
    done = run(config, *arguments)
    assert done.returncode == code, done.stderr + done.stdout
    return done.stderr


def answered(config: Path, *arguments: str) -> Any:
    """Return what a command prints as JSON."""
    return json.loads(printed(config, *arguments, "--json"))


def assert_fits(text: str, columns: int) -> None:
    """Check that no line is wider than the terminal, which would break it within a word."""
    wide = [line for line in text.splitlines() if len(line) > columns]
    assert not wide, wide


def has_utc_time(text: str) -> bool:
    """Return whether a time is printed as the database has it, and not as people read it."""
    return re.search(r"\d\d:\d\d:\d\d\.\d|\+00:00", text) is not None
