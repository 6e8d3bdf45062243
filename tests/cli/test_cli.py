"""The command line, as scripts use it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from asyncjobd.cli import main
from asyncjobd.cli.printing import text
from tests.support.daemon import DaemonProcess, asyncjobd, write_config
from tests.support.jobs import Connection, insert


@pytest.fixture
def config(dsn: str, tmp_path: Path) -> Path:
    return write_config(tmp_path, dsn, {"succeed": {"handler": "tests.support.handlers:succeed"}})


def ran(config: Path, *arguments: str, code: int = 0) -> str:
    done = asyncjobd("--config", str(config), *arguments)
    assert done.returncode == code, done.stderr + done.stdout
    return done.stderr if code else done.stdout


def answered(config: Path, *arguments: str) -> Any:
    return json.loads(ran(config, *arguments, "--json"))


def test_job_is_enqueued_held_released_cancelled_and_run_now(config: Path) -> None:
    job = answered(
        config, "enqueue", "succeed", '{"n": 1}', "--at", "2040-01-01T00:00:00Z", "--unique-key", "k"
    )
    job_id = str(job["id"])
    assert (job["status"], job["params"]) == ("Queued", {"n": 1})
    assert "a live job has the unique key 'k'" in ran(
        config, "enqueue", "succeed", "--unique-key", "k", code=1
    )
    assert ran(config, "hold", job_id) == f"{job_id} Hold\n"
    assert ran(config, "release", job_id) == f"{job_id} Queued\n"
    assert f"job {job_id} is Queued: expected Hold" in ran(config, "release", job_id, code=1)
    assert ran(config, "cancel", job_id) == f"{job_id} Failed\n"
    assert ran(config, "run-now", job_id) == f"{job_id} In Progress\n"
    assert "there is no job 999" in ran(config, "hold", "999", code=1)


def test_list_and_show_say_what_is_there(config: Path) -> None:
    ran(config, "enqueue", "succeed", "--every", "5", "--priority", "7")
    ran(config, "enqueue", "unheard_of")
    assert [job["job_name"] for job in answered(config, "list")] == ["unheard_of", "succeed"]
    (job,) = answered(config, "list", "--name", "succeed", "--status", "In Progress")
    assert (job["is_recursive"], job["priority"]) == (True, 7)
    assert "succeed" in ran(config, "list")
    shown = answered(config, "show", str(job["id"]))
    assert shown["waits_because"] == "no daemon has ever served this name"
    assert "waits because" in ran(config, "show", str(job["id"]))
    assert "there is no job 999" in ran(config, "show", "999", code=1)


def test_enqueue_waits_and_exits_1_where_the_job_failed(config: Path) -> None:
    daemon = DaemonProcess(config).ready()
    assert ran(config, "enqueue", "succeed", "--wait").endswith("Completed: done\n")
    waited = asyncjobd("--config", str(config), "enqueue", "succeed", "[1", "--wait")
    assert waited.returncode == 2
    assert "PARAMS '[1' is not JSON" in waited.stderr
    failed = asyncjobd("--config", str(config), "enqueue", "succeed", "[1]", "--no-check", "--wait")
    assert failed.returncode == 1
    assert "Failed: params do not fit succeed" in failed.stdout
    status = answered(config, "status")
    (entry,) = status["actions"]
    assert (entry["failed"], entry["daemons"], entry["waits_because"]) == (1, 1, None)
    assert [(d["name"], d["concurrency"]) for d in status["daemons"]] == [("test", 100)]
    assert "succeed" in ran(config, "status")
    daemon.stop()


def test_actions_are_written_as_drop_ins_and_the_file_is_left_alone(config: Path) -> None:
    before = config.read_text()
    ran(
        config,
        "action",
        "add",
        "Sum",
        "tests.actions.bad_input_handlers:sums",
        "--timeout",
        "90 s",
        "--retry-interval",
        "2 min",
    )
    ran(config, "action", "disable", "succeed")
    listed = {row["name"]: row for row in answered(config, "action", "list")}
    assert (listed["Sum"]["handler"], listed["Sum"]["timeout"], listed["Sum"]["retry_interval"]) == (
        "tests.actions.bad_input_handlers:sums",
        "90 s",
        "2 min",
    )
    assert not listed["succeed"]["is_active"]
    assert (config.parent / "actions.d" / "succeed.toml").read_text() == "is_active = false\n"
    ran(config, "action", "enable", "succeed")
    assert "succeed" in ran(config, "action", "list")
    assert config.read_text() == before
    assert "there is an action 'Sum' already" in ran(
        config, "action", "add", "Sum", "tests.actions.bad_input_handlers:sums", code=1
    )
    assert "there is no action 'Other'" in ran(config, "action", "disable", "Other", code=1)


def test_action_that_would_be_refused_changes_nothing(config: Path) -> None:
    refused = ran(config, "action", "add", "Bad", "nowhere:x", code=78)
    assert "nothing was changed: " in refused
    assert not (config.parent / "actions.d" / "Bad.toml").exists()


def test_config_is_made_and_checked(config: Path, tmp_path: Path) -> None:
    made = tmp_path / "made" / "config.toml"
    made.parent.mkdir()
    assert asyncjobd("config", "init", str(made)).returncode == 0
    assert ran(made, "config", "check") == f"{made}: good, 0 actions\n"
    assert "exists already" in asyncjobd("config", "init", str(made)).stderr
    made.write_text("[daemon]\nlaese = 3\n")
    assert "did you mean 'lease'?" in ran(made, "config", "check", code=78)


def test_version_and_help_are_there() -> None:
    assert asyncjobd("--version").stdout.startswith("asyncjobd, version ")
    help_text = asyncjobd("--help").stdout
    for command in (
        "run",
        "demo",
        "migrate",
        "enqueue",
        "list",
        "show",
        "logs",
        "hold",
        "release",
        "run-now",
        "cancel",
        "status",
        "doctor",
        "top",
    ):
        assert command in help_text


@pytest.mark.anyio
@pytest.mark.parametrize("result", ['{"n": 1e5000}', "[" * 3000 + "]" * 3000], ids=["number", "depth"])
async def test_result_that_python_cannot_hold_is_shown_as_text(
    db: Connection, config: Path, result: str
) -> None:
    await db.execute(
        "insert into asyncjob.job (job_name, status, result) values ('a', 'Completed', $1)", result
    )
    for command in (["list"], ["show", "1"], ["status"], ["top", "--once"]):
        ran(config, *command)
    assert isinstance(answered(config, "show", "1")["result"], str)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_stream_aborts_no_command(config: Path, closed: str) -> None:
    """libuv aborts where a socket has the number of one, and a job that was inserted looked as if it was not."""
    command = f"{sys.executable} -m asyncjobd --config {config} enqueue succeed {closed}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(answered(config, "list")) == 1
    watched = subprocess.run(
        ["bash", "-c", command.replace("enqueue succeed", "top")], capture_output=True, timeout=60
    )
    assert watched.returncode == 2


def test_daemon_runs_without_standard_streams(config: Path) -> None:
    command = ["bash", "-c", f"exec {sys.executable} -m asyncjobd --config {config} run <&- >&- 2>&-"]
    with subprocess.Popen(command) as process:
        try:
            assert ran(config, "enqueue", "succeed", "--wait").endswith("Completed: done\n")
        finally:
            process.terminate()
    assert process.returncode == 0


def test_terminal_that_has_not_all_letters_gets_the_others(config: Path) -> None:
    ran(config, "enqueue", "日本x")
    for command in ("list", "status", "doctor", "show 1"):
        done = subprocess.run(
            [sys.executable, "-m", "asyncjobd", "--config", str(config), *command.split()],
            capture_output=True, encoding="iso-8859-1", timeout=60, env=os.environ | {"PYTHONIOENCODING": "iso-8859-1"},
        )  # fmt: skip
        assert "??x" in done.stdout, command
        assert done.stderr == ""


def test_what_jobs_say_moves_no_cursor(config: Path) -> None:
    name = "a\x1b[2Jb\u202ec\x9b1m"
    ran(config, "enqueue", name)
    for command in ("list", "status", "doctor", "show 1"):
        printed = asyncjobd("--config", str(config), *command.split()).stdout
        assert "a [2Jb c 1m" in printed, command
    assert text("two\nlines\x1b[0m") == "two\nlines [0m"


@pytest.mark.anyio
async def test_params_that_are_nested_too_deep_hide_no_other_job(config: Path, db: Connection) -> None:
    deep = "[" * 3000 + "]" * 3000
    job_id = str(await insert(db, "unheard_of", deep))
    ran(config, "enqueue", "succeed")
    assert [job["job_name"] for job in answered(config, "list")] == ["succeed", "unheard_of"]
    assert answered(config, "show", job_id)["params"] == deep
    assert ran(config, "hold", job_id) == f"{job_id} Hold\n"


@pytest.mark.anyio
async def test_lock_that_somebody_holds_is_said(config: Path, db: Connection) -> None:
    async with db.transaction():
        await db.execute("lock table asyncjob.job")
        listed = await asyncio.to_thread(asyncjobd, "--config", str(config), "list")
        examined = await asyncio.to_thread(asyncjobd, "--config", str(config), "doctor")
    assert listed.returncode == 1
    assert "canceling statement due to lock timeout: somebody holds a lock" in listed.stderr
    assert "see who holds a lock there" in examined.stdout


@pytest.mark.anyio
async def test_enqueue_that_cannot_wait_says_that_the_job_is_there(config: Path, db: Connection) -> None:
    command = [sys.executable, "-m", "asyncjobd", "--config", str(config), "enqueue", "succeed", "--wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not await db.fetchval("select count(*) from asyncjob.job"):
            await asyncio.sleep(0.01)
        await db.execute("alter table asyncjob.job rename to gone")
        _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "job 1 was inserted; relation" in said


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


def test_config_check_refuses_a_dsn_that_run_would_refuse(config: Path) -> None:
    config.write_text('[database]\ndsn = "localhost/jobs"\n')
    assert "[database] dsn: expected postgresql://" in ran(config, "config", "check", code=78)


def test_dsn_with_a_key_that_is_not_known_is_a_wrong_configuration(dsn: str) -> None:
    key = "&connection_limit=10" if "?" in dsn else "?connection_limit=10"
    done = asyncjobd("--dsn", dsn + key, "status")
    assert done.returncode == 78
    assert done.stderr == 'Error: [database] dsn: unrecognized configuration parameter "connection_limit"\n'


def test_logs_say_where_there_is_nothing_or_not_for_all_to_see(tmp_path: Path) -> None:
    """journalctl's --quiet would hide it."""
    program = tmp_path / "journalctl"
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert "--quiet" not in asyncjobd("logs", "5", PATH=path).stdout
    assert "--quiet" in asyncjobd("logs", "5", "--json", PATH=path).stdout
