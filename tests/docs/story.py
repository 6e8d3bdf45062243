"""A page as a story: its snippets, run from top to bottom in one folder, with one database and its daemon."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.docs.snippets import DOCS, Snippet, read
from tests.support import fork, fork_server
from tests.support.daemon import DaemonProcess

PATIENCE = 100  # seconds for a snippet
JOBS = "/srv/jobs"  # the folder that snippets name; the story's own is taken
RUN = re.compile(r"^asyncjobd run(?: .*)?\n", re.MULTILINE)  # the story has its own
CONFTEST = 'pytest_plugins = ["asyncjobd.testing.fixtures"]\n'


class Story:
    """Files go into the folder. What needs a database finds one, and a daemon with the folder's config.toml, if any."""

    def __init__(self, folder: Path, new_database: Callable[[], str], binaries: Path) -> None:
        self._folder = folder
        self._new_database = new_database
        self._dsn: str | None = None
        self._daemon: DaemonProcess | None = None
        self._output: str | None = None
        self._path = f"{self._commands(folder / 'bin')}:{binaries}:{os.environ['PATH']}"

    def tell(self, snippet: Snippet) -> str | None:
        """Run a snippet; return what is wrong with it."""
        if "setup" in snippet.notes:
            self.set_up(snippet.notes["setup"])
        if not snippet.is_run:
            return None
        text = snippet.text.replace(JOBS, str(self._folder))
        if snippet.file is not None:
            return self._write(snippet.file, text)
        match snippet.language:
            case "python":
                return self._run_served([sys.executable, "-c", text])
            case "sql":
                return self._run_served(["psql", "-v", "ON_ERROR_STOP=1", "-c", text])
            case "sh" | "bash":
                return self._run_shell(text)
            case "toml":
                return self._check(text)
            case "json":
                return self._read_json(text)
            case "text":
                return self._compare(text)
        return "nothing runs it: expected a note with the reason, <!-- not run: REASON -->"

    def set_up(self, topic: str) -> None:
        """Write the files of another page."""
        for snippet in read(DOCS / f"{topic}.md"):
            if snippet.file is not None and snippet.is_run:
                self._write(snippet.file, snippet.text.replace(JOBS, str(self._folder)))

    @property
    def environment(self) -> dict[str, str]:
        if self._dsn is None:
            self._dsn = self._new_database()
        config = self._folder / "config.toml"
        return {
            "PATH": self._path, "ASYNCJOBD_DSN": self._dsn, "DATABASE_URL": self._dsn, "NO_COLOR": "1",
            **({"ASYNCJOBD_CONFIG": str(config)} if config.exists() else {}),
        }  # fmt: skip

    def serve(self) -> None:
        """Start the daemon, unless it runs or there is no configuration for it."""
        config = self._folder / "config.toml"
        if self._daemon is None and config.exists():
            self._daemon = DaemonProcess(config, is_alone=False, **self.environment).ready()

    def _commands(self, folder: Path) -> Path:
        """Write `asyncjobd`, `python` and `psql` as the page's reader has them."""
        folder.mkdir()
        fork_server.start()
        commands = {
            "asyncjobd": f'exec {sys.executable} -S {fork.__file__} "$@"',
            "python": f'exec {sys.executable} "$@"',
            "psql": f'PATH=${{PATH#{folder}:}}; exec psql -X "$DATABASE_URL" "$@"',
        }
        for name, line in commands.items():
            (folder / name).write_text(f"#!/bin/sh\n{line}\n")
            (folder / name).chmod(0o755)
        return folder

    def _write(self, name: str, text: str) -> str | None:
        path = self._folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
        if text.startswith("#!"):
            path.chmod(0o755)
        if self._daemon is not None:  # the next snippet is of the changed one
            self._daemon.stop()
            self._daemon = None
        if path.name == "config.toml":
            return self._run(["asyncjobd", "config", "check"])
        if path.name.startswith("test_"):
            (self._folder / "conftest.py").write_text(CONFTEST)
            pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={self._folder / 'base'}"]
            return self._run([sys.executable, *pytest, str(path)])
        return None

    def _check(self, text: str) -> str | None:
        """A part of a configuration is one by itself."""
        part = self._folder / "part.toml"
        part.write_text(text)
        return self._run(["asyncjobd", "--config", str(part), "config", "check"])

    def _run_served(self, command: list[str]) -> str | None:
        self.serve()
        return self._run(command)

    def _run_shell(self, text: str) -> str | None:
        return self._run_served(["bash", "-euo", "pipefail", "-c", RUN.sub("", text)])

    def _run(self, command: list[str]) -> str | None:
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, cwd=self._folder, stdin=subprocess.DEVNULL,
            env={**os.environ, **self.environment, "PYTHONPATH": f"{self._folder}:{os.environ.get('PYTHONPATH', '')}"},
        )  # fmt: skip
        self._output = ran.stdout
        return f"exit code {ran.returncode}: {ran.stderr}{ran.stdout}" if ran.returncode else None

    def _read_json(self, text: str) -> str | None:
        try:
            for line in text.splitlines():
                json.loads(line)
        except ValueError as error:
            return f"not JSON, one value a line: {error}"
        return None

    def _compare(self, expected: str) -> str | None:
        """... stands for anything."""
        if self._output is None:
            return "no snippet before it printed anything: expected a note, <!-- not run: REASON -->"
        pattern = ".*?".join(map(re.escape, expected.strip().split("...")))
        if re.fullmatch(pattern, self._output.strip(), re.DOTALL):
            return None
        return f"expected:\n{expected}\nprinted:\n{self._output}"
