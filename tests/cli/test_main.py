"""All commands: their options, their exit codes, and the streams they use."""

import asyncio
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from asyncjobd.cli import SECTIONS, main
from asyncjobd.cli.group import Entry
from asyncjobd.monitoring.values import text
from tests.cli.commands import answered, printed, refused, run
from tests.support.daemon import asyncjobd
from tests.support.jobs import Connection, insert

ENTRIES = [entry for entries in SECTIONS.values() for entry in entries]


def test_help_lists_every_command() -> None:
    help_text = asyncjobd("--help").stdout
    assert asyncjobd("--version").stdout.startswith("asyncjobd, version ")
    for entry in ENTRIES:
        assert f"  {entry.name} " in help_text
        assert entry.summary in help_text


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_entry_of_the_help_is_a_command_of_that_name(entry: Entry) -> None:
    module, _, attribute = entry.home.partition(":")
    command = getattr(import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == entry.name


@pytest.mark.parametrize(
    ("command", "unneeded"),
    [
        ("--help", "asyncio asyncpg msgspec rich structlog"),
        ("config init {folder}/x.toml", "rich structlog"),
        ("logs --help", "asyncpg msgspec rich structlog"),
        ("enqueue other", "rich structlog uvloop"),
        ("hold 1", "rich structlog uvloop"),
        ("show 1 --json", "rich structlog uvloop"),
        ("list --json", "rich structlog uvloop"),
        ("status --json", "structlog uvloop"),
        ("doctor", "rich structlog uvloop"),
    ],
)
def test_command_imports_only_what_it_needs(
    config: Path, tmp_path: Path, command: str, unneeded: str
) -> None:
    program = (
        "import sys\nfrom asyncjobd.cli import main\n"
        "try:\n    main()\nfinally:\n"
        f"    print('imported', [name for name in {unneeded.split()!r} if name in sys.modules], file=sys.stderr)"
    )
    arguments = command.format(folder=tmp_path).split()
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True, text=True, timeout=60, env=os.environ | {"ASYNCJOBD_CONFIG": str(config)},
    )  # fmt: skip
    assert "imported []" in done.stderr


@pytest.mark.parametrize("place", ["before", "after"])
def test_shared_options_stand_before_and_after_the_command(config: Path, dsn: str, place: str) -> None:
    """Whoever read "use it with --config" wrote it where all other options go."""

    def ran(*options: str, command: str) -> Any:
        words = command.split()
        done = asyncjobd(
            *(options if place == "before" else ()), *words, *(options if place == "after" else ())
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    job = ran("--config", str(config), "--json", command="enqueue succeed")
    assert [each["id"] for each in ran("--dsn", dsn, "--json", command="list")] == [job["id"]]
    assert ran("--config", str(config), "--json", command="action list")[0]["name"] == "block"


def test_group_takes_the_options_between_its_words(config: Path) -> None:
    assert "succeed" in asyncjobd("action", "--config", str(config), "list").stdout


def test_json_of_a_command_that_prints_none_is_refused(config: Path) -> None:
    assert "run prints no JSON" in refused(config, "--json", "run", code=2)


def test_misspelt_command_is_told_with_the_closest() -> None:
    assert "there is no command 'enqeue'; did you mean 'enqueue'?" in asyncjobd("enqeue").stderr


@pytest.mark.anyio
@pytest.mark.parametrize("result", ['{"n": 1e5000}', "[" * 3000 + "]" * 3000], ids=["number", "depth"])
async def test_result_that_python_cannot_hold_is_shown_as_text(
    db: Connection, config: Path, result: str
) -> None:
    await db.execute(
        "insert into asyncjob.job (job_name, status, result) values ('a', 'Completed', $1)", result
    )
    for command in (["list"], ["show", "1"], ["status"], ["top", "--once"]):
        printed(config, *command)
    assert isinstance(answered(config, "show", "1")["result"], str)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_stream_aborts_no_command(config: Path, closed: str) -> None:
    """libuv aborts where a socket has the number of one, and a job that was inserted looked as if it was not."""
    command = f"{sys.executable} -m asyncjobd --config {config} enqueue succeed {closed}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert len(answered(config, "list")) == 1
    watched = subprocess.run(
        ["bash", "-c", command.replace("enqueue succeed", "top")], capture_output=True, timeout=60
    )
    assert watched.returncode == 2


@pytest.mark.parametrize(
    "command", ["list", "status --json", "hold 1", "help", "--help", "--version", "hold --help"]
)
def test_full_disk_is_said_in_one_line(config: Path, command: str) -> None:
    run(config, "enqueue", "succeed")
    full = f"{sys.executable} -m asyncjobd --config {config} {command} > /dev/full"
    done = subprocess.run(["bash", "-c", full], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "Error: cannot write: No space left on device\n")


def test_daemon_runs_without_standard_streams(config: Path) -> None:
    command = ["bash", "-c", f"exec {sys.executable} -m asyncjobd --config {config} run <&- >&- 2>&-"]
    with subprocess.Popen(command) as process:
        try:
            assert printed(config, "enqueue", "succeed", "--wait").endswith("Completed\n")
        finally:
            process.terminate()
    assert process.returncode == 0


def test_terminal_that_has_not_all_letters_gets_the_others(config: Path) -> None:
    run(config, "enqueue", "日本x")
    for command in ("list", "status", "doctor", "show 1"):
        done = subprocess.run(
            [sys.executable, "-m", "asyncjobd", "--config", str(config), *command.split()],
            capture_output=True, encoding="iso-8859-1", timeout=60, env=os.environ | {"PYTHONIOENCODING": "iso-8859-1"},
        )  # fmt: skip
        assert "??x" in done.stdout, command
        assert done.stderr == ""


def test_text_of_jobs_moves_no_cursor(config: Path) -> None:
    name = "a\x1b[2Jb\u202ec\x9b1m"
    run(config, "enqueue", name)
    for command in ("list", "status", "doctor", "show 1"):
        assert "a [2Jb c 1m" in run(config, *command.split()).stdout, command
    assert text("two\nlines\x1b[0m") == "two\nlines [0m"


@pytest.mark.anyio
async def test_params_that_are_nested_too_deep_hide_no_other_job(config: Path, db: Connection) -> None:
    deep = "[" * 3000 + "]" * 3000
    job_id = str(await insert(db, "unheard_of", deep))
    run(config, "enqueue", "succeed")
    assert [job["job_name"] for job in answered(config, "list")] == ["succeed", "unheard_of"]
    assert answered(config, "show", job_id)["params"] == deep
    assert printed(config, "hold", job_id) == f"{job_id} Hold\n"


@pytest.mark.anyio
async def test_lock_that_somebody_holds_is_said(config: Path, db: Connection) -> None:
    async with db.transaction():
        await db.execute("lock table asyncjob.job")
        listed = await asyncio.to_thread(run, config, "list")
        examined = await asyncio.to_thread(run, config, "doctor")
    assert listed.returncode == 1
    assert "canceling statement due to lock timeout: somebody holds a lock" in listed.stderr
    assert "see who holds a lock there" in examined.stdout


def test_file_that_may_not_be_read_is_a_wrong_configuration(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """78, which systemd does not try again, and not 2."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(Path, "read_text", _denied)
    done = CliRunner().invoke(main, ["--config", str(config), "config", "check"])
    assert (done.exit_code, done.output) == (78, f"Error: {config}: Permission denied\n")


def _denied(*_: Any, **__: Any) -> str:
    raise PermissionError(13, "Permission denied")


def test_dsn_with_a_key_that_is_not_known_is_a_wrong_configuration(dsn: str) -> None:
    key = "&connection_limit=10" if "?" in dsn else "?connection_limit=10"
    done = asyncjobd("--dsn", dsn + key, "status")
    assert done.returncode == 78
    assert done.stderr == 'Error: [database] dsn: unrecognized configuration parameter "connection_limit"\n'
