"""`asyncjobd enqueue` says what became of the job, and why it waits."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import answered, config_of, printed, refused, run
from tests.support.daemon import DaemonProcess
from tests.support.jobs import Connection, set_status

pytestmark = pytest.mark.anyio


@pytest.fixture
def daemon(config: Path) -> DaemonProcess:
    return DaemonProcess(config).ready()


async def test_name_that_nobody_serves_is_said_with_the_closest(config: Path, daemon: DaemonProcess) -> None:
    done = run(config, "enqueue", "Suceed")
    assert (done.returncode, done.stdout) == (0, "1 ready\n")
    assert (
        done.stderr == "Warning: job 1 waits: no daemon has ever served 'Suceed'; did you mean 'succeed'?\n"
    )
    assert run(config, "enqueue", "succeed").stderr == ""


async def test_name_with_a_space_that_nobody_sees_is_told_apart(config: Path, daemon: DaemonProcess) -> None:
    assert run(config, "enqueue", " succeed").stderr == (
        "Warning: job 1 waits: no daemon has ever served ' succeed'; did you mean 'succeed'?\n"
    )


async def test_daemon_that_is_not_there_is_said(config: Path) -> None:
    done = run(config, "enqueue", "succeed")
    assert (done.returncode, done.stdout) == (0, "1 ready\n")
    assert "job 1 waits: no daemon is alive: start one: asyncjobd run" in done.stderr


async def test_action_that_no_daemon_has_loaded_is_said(
    config: Path, daemon: DaemonProcess, dsn: str, tmp_path: Path
) -> None:
    (tmp_path / "newer").mkdir()
    newer = config_of(tmp_path / "newer", dsn, {"New": {"handler": "handlers_for_commands:succeed"}})
    said = run(newer, "enqueue", "New").stderr
    assert f"{newer} has 'New', but no daemon has loaded it: systemctl reload asyncjobd" in said
    assert f"kill -HUP {daemon.pid}" in said


def waiting(config: Path, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "asyncjobd", "--config", str(config), "enqueue", *arguments, "--wait"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


async def said(process: "subprocess.Popen[str]", words: str) -> None:
    """Wait until the process has said this on standard error."""
    assert process.stderr is not None
    async with asyncio.timeout(20):
        while words not in await asyncio.to_thread(process.stderr.readline):
            assert process.poll() is None


async def test_wait_says_why_it_waits_and_again_when_the_reason_changes(
    config: Path, daemon: DaemonProcess, db: Connection
) -> None:
    with waiting(config, "succeed", "--at", "in 1 h") as process:
        await said(process, "job 1: due ")
        await set_status(db, 1, "Hold")
        await said(process, "job 1: on Hold since ")
        await set_status(db, 1, "In Progress")
        assert process.wait(20) == 0
        assert process.stdout is not None
        assert process.stdout.read() == "1 Completed\n"


async def test_wait_for_a_name_that_nobody_serves_says_so_once(
    config: Path, daemon: DaemonProcess, db: Connection
) -> None:
    with waiting(config, "Suceed") as process:
        await said(process, "Warning: job 1 waits: no daemon has ever served 'Suceed'")
        await asyncio.sleep(2.5)
        await db.execute("update asyncjob.job set job_name = 'succeed'")
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert "Suceed" not in process.stderr.read()


async def test_wait_says_that_others_go_first(dsn: str, tmp_path: Path, db: Connection) -> None:
    one_slot = config_of(tmp_path, dsn, concurrency=1)
    DaemonProcess(one_slot).ready()
    run(one_slot, "enqueue", "block")
    with waiting(one_slot, "succeed") as process:
        await said(process, "the one slot of the daemon that serves it runs other jobs (1 of block")
        await db.execute("delete from asyncjob.job where job_name = 'block'")
        assert process.wait(20) == 0


async def test_wait_exits_1_where_the_job_failed(config: Path, daemon: DaemonProcess) -> None:
    failed = run(config, "enqueue", "fail", "--max-execution-count", "1", "--wait")
    assert failed.returncode == 1
    assert failed.stdout.startswith("1 Failed: KeyError: 'the reason, which is")
    assert 'params "[1" are not JSON' in refused(config, "enqueue", "succeed", "[1", "--wait", code=2)


@pytest.mark.parametrize("command", ["enqueue succeed", "action add other handlers_for_commands:succeed"])
async def test_number_of_tries_that_no_job_can_have_is_refused(config: Path, command: str) -> None:
    said = refused(config, *command.split(), "--max-execution-count", "99999999999", code=2)
    assert "99999999999 is not in the range 1<=x<=2147483647" in said


async def test_params_that_no_job_can_have_are_refused_in_one_line(config: Path) -> None:
    deep = "[" * 3000 + "]" * 3000
    for given, said in ((deep, "200 levels"), ('"\udcff"', "byte 0xff"), (r'"\u0000"', "cannot store")):
        for command in (["enqueue", "succeed"], ["schedule", "add", "x", "succeed"]):
            assert said in refused(config, *command, given, code=2)


async def test_wait_that_cannot_go_on_says_that_the_job_is_there(config: Path, db: Connection) -> None:
    with waiting(config, "succeed") as process:
        while not await db.fetchval("select count(*) from asyncjob.job"):
            await asyncio.sleep(0.01)
        await db.execute("alter table asyncjob.job rename to gone")
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "job 1 was inserted; relation" in errors


async def test_key_that_is_taken_is_said_with_the_job_that_has_it(config: Path) -> None:
    run(config, "enqueue", "succeed", "--unique-key", "k", "--at", "tomorrow 9:00")
    assert refused(config, "enqueue", "succeed", "--unique-key", "k") == (
        "Error: a live job has the unique key 'k': job 1 of succeed, which is Queued; nothing was inserted\n"
    )


async def test_durations_have_units(config: Path) -> None:
    job = answered(config, "enqueue", "succeed", "--every", "1 day", "--timeout", "90 s")
    assert (job["is_recursive"], job["retry_interval"], job["timeout"]) == (True, "P1D", "PT90S")
    assert answered(config, "enqueue", "succeed", "--retry-interval", "90 s")["retry_interval"] == "PT90S"
    for option in ("--every", "--retry-interval", "--timeout"):
        assert '"5" has no unit: write "5 s" or "5 min"' in refused(
            config, "enqueue", "succeed", option, "5", code=2
        )
    assert "a month has no fixed length here" in refused(
        config, "enqueue", "succeed", "--every", "1 month", code=2
    )


async def test_retries_are_set_by_options(config: Path) -> None:
    options = ("--retry-backoff", "1.5", "--retry-interval-max", "1 hour", "--retry-jitter", "0.2")
    job = answered(config, "enqueue", "succeed", *options)
    assert (job["retry_backoff"], job["retry_interval_max"], job["retry_jitter"]) == (1.5, "PT3600S", 0.2)
    for option, value, reason in (
        ("--retry-backoff", "0.5", "retry_backoff 0.5 is not from 1 to 1000"),
        ("--retry-backoff", "nan", "retry_backoff nan is not from 1 to 1000"),
        ("--retry-jitter", "1.5", "retry_jitter 1.5 is not from 0 to 1"),
        ("--retry-interval-max", "5", '"5" has no unit'),
    ):
        assert reason in refused(config, "enqueue", "succeed", option, value, code=2)


async def test_times_are_written_as_people_say_them(config: Path) -> None:
    assert ", due tomorrow 09:30 (in " in printed(config, "enqueue", "succeed", "--at", "tomorrow 9:30")
    assert "(in 2 h)" in printed(config, "enqueue", "succeed", "--at", "in 2.5 h")
    assert 'write "2030-01-31 09:30"' in refused(config, "enqueue", "succeed", "--at", "soon", code=2)
