"""pause, resume, limit and drain; and what other commands say of them."""

import json
from getpass import getuser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cli.commands import config_of, printed, run
from tests.support.daemon import DaemonProcess
from tests.support.jobs import Connection, insert, running, settled

pytestmark = pytest.mark.anyio


@pytest.fixture
def config(dsn: str, tmp_path: Path) -> Path:
    return config_of(tmp_path, dsn, name="blue")


@pytest.fixture
def daemon(config: Path) -> DaemonProcess:
    return DaemonProcess(config).ready()


async def waits_because(config: Path, job_id: int) -> str:
    return str(json.loads(printed(config, "show", str(job_id), "--json"))["why"]["sentence"])


async def finding(config: Path, about: str) -> list[dict[str, Any]]:
    findings = json.loads(run(config, "doctor", "--json").stdout)
    return [each for each in findings if each["about"] == about]


async def test_pause_and_resume(config: Path, daemon: DaemonProcess, db: Connection) -> None:
    assert printed(config, "pause", "succeed") == "succeed is paused until asyncjobd resume succeed\n"
    job_id = await insert(db, "succeed")
    because = f"paused by postgres for {getuser()}"
    assert await waits_because(config, job_id) == f"{because}: asyncjobd resume succeed"
    assert f"└ {because}" in printed(config, "status")
    (found,) = await finding(config, "paused")
    assert (found["level"], found["seen"].startswith(f"succeed: {because}, for")) == ("ok", True)
    await db.execute(
        "update asyncjob.action set paused_at = now() - interval '2 days' where name = 'succeed'"
    )
    (found,) = await finding(config, "paused")
    assert (found["level"], found["advice"]) == ("warning", "asyncjobd resume succeed")
    assert printed(config, "resume", "succeed") == "succeed goes on\n"
    assert (await settled(db, job_id))["status"] == "Completed"


@pytest.mark.parametrize(
    ("options", "said"), [(("--for", "2 hours"), "in 2 h"), (("--until", "in 3 h"), "in 3 h")]
)
async def test_pause_with_an_end(
    config: Path, daemon: DaemonProcess, db: Connection, options: tuple[str, ...], said: str
) -> None:
    assert f"({said})" in printed(config, "pause", "succeed", *options)
    left = await db.fetchval("select paused_until - now() from asyncjob.action where name = 'succeed'")
    hours = int(said.split()[1])
    assert hours * 3600 - 60 < left.total_seconds() <= hours * 3600
    assert "paused until" in printed(config, "status")


async def test_limit(config: Path, daemon: DaemonProcess, db: Connection) -> None:
    assert printed(config, "limit", "block", "--per-daemon", "1") == "block: max_running_per_daemon 1\n"
    await running(db, await insert(db, "block"))
    job_id = await insert(db, "block")
    assert (await waits_because(config, job_id)).startswith("max_running_per_daemon of block (1) is reached")
    changed = "max_running_per_daemon is 1, and none in the configuration"
    assert f"└ {changed}" in printed(config, "status")
    assert f"block: {changed}\n" in printed(config, "config", "check")
    (found,) = await finding(config, "limits")
    assert found["seen"] == f"block: {changed}"
    assert found["advice"].endswith("asyncjobd limit block --per-daemon none")
    assert printed(config, "limit", "block", "--per-daemon", "none") == "block: no limits\n"
    await running(db, job_id)


async def test_limits_for_all_daemons(config: Path, daemon: DaemonProcess, db: Connection) -> None:
    options = ("--max-running", "3", "--max-running-per-key", "2", "--rate", "100 per hour", "--burst", "1")
    assert printed(config, "limit", "succeed", *options) == (
        "succeed: max_running 3, max_running_per_key 2, rate 100 per hour, burst 1; 0 run\n"
    )
    await settled(db, await insert(db, "succeed"))
    assert "; 0 run, the next start is due in 3" in printed(config, "limit", "succeed")
    changed = (
        "max_running is 3, and none in the configuration; max_running_per_key is 2, and none in the configuration; "
        "rate is 100 per hour, and none in the configuration; burst is 1, and none in the configuration"
    )
    assert f"succeed: {changed}\n" in printed(config, "config", "check")
    (found,) = await finding(config, "limits")
    undo = found["advice"].partition("asyncjobd limit ")[2].split()
    assert undo == [
        "succeed", "--max-running", "none", "--max-running-per-key", "none", "--rate", "none", "--burst", "none"
    ]  # fmt: skip
    assert printed(config, "limit", *undo) == "succeed: no limits\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--rate", "fast"), "write one such as"), (("--rate", "0 per second"), "write one such as"),
        (("--burst", "0"), "no number from 1 to 1000000 and not none"),
        (("--burst", "9" * 5000), "no number from 1 to 1000000 and not none"),
        (("--max-running", "-1"), "no number from 0 to 2147483647 and not none"),
    ],
)  # fmt: skip
def test_impossible_limit(config: Path, options: tuple[str, ...], said: str) -> None:
    ran = run(config, "limit", "succeed", *options)
    assert ran.returncode == 2
    assert said in " ".join(ran.stderr.replace("│", "").split())


async def test_drain(config: Path, daemon: DaemonProcess, db: Connection) -> None:
    blocks = await insert(db, "block")
    await running(db, blocks)
    late = run(config, "drain", "blue", "--wait", "--timeout", "1 s")
    assert (late.returncode, late.stderr) == (1, "Error: blue still has 1 job\n")
    job_id = await insert(db, "succeed")
    because = "every daemon that serves it drains"
    assert await waits_because(config, job_id) == f"{because} (blue): asyncjobd drain NAME --undo"
    status = printed(config, "status")
    assert "1/100 draining" in status
    assert "every daemon drains" in status
    assert f"└ {because}" in status
    assert [each["level"] for each in await finding(config, "daemons")] == ["ok", "problem"]
    await db.execute("update asyncjob.job set status = 'Failed' where id = $1", blocks)
    assert printed(config, "drain", "blue", "--wait") == "blue drains: it has 0 jobs\n"
    assert printed(config, "drain", "blue", "--undo") == "blue claims again\n"
    assert (await settled(db, job_id))["status"] == "Completed"


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["pause", "suceed"], 1, "no daemon has ever served 'suceed'; did you mean 'succeed'?"),
        (["resume", "nothing like it"], 1, "no daemon has ever served 'nothing like it'"),
        (["limit", "succed", "--per-daemon", "2"], 1, "did you mean 'succeed'?"),
        (["drain", "bleu"], 1, "there is no daemon 'bleu'; did you mean 'blue'?"),
        (
            ["limit", "succeed", "--per-daemon", "-1"],
            2,
            "'-1' is no number from 0 to 2147483647 and not none",
        ),
        (["pause", "succeed", "--until", "2020-01-01"], 2, "it is past"),
        (["pause", "succeed", "--until", "tomorrow", "--for", "1 s"], 2, "exclude each other"),
        (["drain", "blue", "--undo", "--wait"], 2, "exclude each other"),
        (["drain", "blue", "--timeout", "1 s"], 2, "--timeout is for --wait"),
    ],
)
async def test_what_is_wrong_is_said(
    config: Path, dsn: str, db: Connection, arguments: list[str], exit_code: int, said: str
) -> None:
    await db.execute("insert into asyncjob.action (name, handler, is_active) values ('succeed', 'm:a', true)")
    await db.execute(
        "insert into asyncjob.daemon (id, name, host, boot_id, pid, process_start, version, actions, concurrency, lease_seconds)"
        " values (1, 'blue', 'h', 'b', 1, 1, '1', '{}', 1, 1)"
    )
    refused = run(config, *arguments)
    assert refused.returncode == exit_code
    assert said in refused.stderr


async def test_missing_right_is_named_with_the_role_that_gives_it(
    config: Path, daemon: DaemonProcess, dsn: str, db: Connection
) -> None:
    role = urlsplit(dsn).path[1:] + "_shop"
    await db.execute(f"create role {role} login in role asyncjob_producer")
    own = dsn.replace("postgres@", f"{role}@", 1)
    commands = (["pause", "succeed"], ["limit", "succeed", "--per-daemon", "1"], ["drain", "blue"])
    for command in commands:
        refused = run(config, "--dsn", own, *command)
        assert refused.returncode == 1
        assert refused.stderr.endswith(f": grant asyncjob_operator to {role}\n")
    await db.execute(f"grant asyncjob_operator to {role}")
    for command in commands:
        assert run(config, "--dsn", own, *command).returncode == 0
    kept = await db.fetchval("select paused_by from asyncjob.action where name = 'succeed'")
    assert kept == f"{role} for {getuser()}"
