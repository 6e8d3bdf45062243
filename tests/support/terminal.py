"""A terminal: tmux, with a server of its own."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

from tests.support.daemon import DEADLINE

# what is left of the terminal while the command is stopped, and once it has ended
SCRIPT = """
trap : INT
set -m
state() {{ stty -g; grep flags /proc/self/fdinfo/0; }}
state > {folder}/before
echo $$ > {folder}/shell
{command}
code=$?
while [ $code = {stopped} ]; do
    state > {folder}/stopped.new
    mv {folder}/stopped.new {folder}/stopped
    read enter
    fg
    code=$?
done
echo $code > {folder}/code.new
state > {folder}/after
mv {folder}/code.new {folder}/code
exec sleep 3600
"""


class Terminal:
    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder

    def start(self, *arguments: str, width: int = 80, height: int = 24) -> None:
        """Run the command line once."""
        command = shlex.join([sys.executable, "-m", "asyncjobd", *arguments])
        script = self._folder / "script"
        script.write_text(
            SCRIPT.format(
                folder=shlex.quote(str(self._folder)), command=command, stopped=128 + signal.SIGTSTP
            )
        )
        self._tmux(
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            str(width),
            "-y",
            str(height),
            shlex.join(["sh", str(script)]),
        )

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names: Down, Tab, C-c, q."""
        self._tmux("send-keys", *keys)

    def resize(self, width: int, height: int) -> None:
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def lines(self) -> list[str]:
        return self._tmux("capture-pane", "-p").splitlines()

    def until(self, condition: Callable[[str], object]) -> str:
        """Wait until the condition holds for the screen, and return it."""
        deadline = monotonic() + DEADLINE
        while not condition(screen := "\n".join(self.lines())):
            assert monotonic() < deadline, f"still\n{screen}"
            sleep(0.02)
        return screen

    def shows(self, *texts: str) -> str:
        """Wait until all of these are on the screen, and return it."""
        return self.until(lambda screen: all(text in screen for text in texts))

    def line(self, *texts: str) -> str:
        """Wait for a line that has all of these, and return it."""
        return next(
            line
            for line in self.until(
                lambda screen: any(_has(line, texts) for line in screen.splitlines())
            ).splitlines()
            if _has(line, texts)
        )

    @property
    def selected(self) -> str:
        """Return the line that is shown reversed, or ""."""
        for line in self._tmux("capture-pane", "-p", "-e").splitlines():
            if "\x1b[7m" in line or "\x1b[1;7m" in line or "\x1b[1m\x1b[7m" in line:
                return line
        return ""

    @property
    def pid(self) -> int:
        """The pid of the command."""
        shell = int((self._folder / "shell").read_text())
        return int(Path(f"/proc/{shell}/task/{shell}/children").read_text().split()[0])

    def exit_code(self) -> int:
        """Wait for the command's exit code, and check that the terminal is as it was before."""
        self._is_given_back("code", "after")
        return int((self._folder / "code").read_text())

    def stop(self) -> None:
        """Press Ctrl-Z, and check that the terminal is as it was before. Enter continues the command."""
        self.press("C-z")
        self._is_given_back("stopped", "stopped")

    def _is_given_back(self, awaited: str, state: str) -> None:
        deadline = monotonic() + DEADLINE
        while not (self._folder / awaited).exists():
            assert monotonic() < deadline, "it does not end:\n" + "\n".join(self.lines())
            sleep(0.02)
        assert (self._folder / "before").read_text() == (self._folder / state).read_text()
        assert self._tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}") == "0 1\n"

    def close(self) -> None:
        self._tmux("kill-server", is_checked=False)

    def _tmux(self, *arguments: str, is_checked: bool = True) -> str:
        done = subprocess.run(
            ["tmux", "-u", "-L", self._name, *arguments],
            capture_output=True, text=True, timeout=DEADLINE, env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        assert done.returncode == 0 or not is_checked, done.stderr
        return done.stdout


def _has(line: str, texts: tuple[str, ...]) -> bool:
    return all(text in line for text in texts)
