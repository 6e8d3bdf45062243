"""The command line, as scripts use it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import DaemonProcess, asyncjobd, write_config
from tests.support.jobs import Connection


@pytest.fixture
def config(dsn: str, tmp_path: Path) -> Path:
    return write_config(tmp_path, dsn, {"succeed": {"handler": "sample:succeed"}})


def ran(config: Path, *arguments: str, code: int = 0) -> str:
    done = asyncjobd("--config", str(config), *arguments)
    assert done.returncode == code, done.stderr + done.stdout
    return done.stderr if code else done.stdout


def answered(config: Path, *arguments: str) -> Any:
    return json.loads(ran(config, *arguments, "--json"))


def test_job_is_enqueued_held_released_cancelled_and_run_now(config: Path) -> None:
    job = answered(config, "enqueue", "succeed", '{"n": 1}', "--at", "2040-01-01T00:00:00Z", "--unique-key", "k")
    job_id = str(job["id"])
    assert (job["status"], job["params"]) == ("Queued", {"n": 1})
    assert "a live job has the unique key 'k'" in ran(config, "enqueue", "succeed", "--unique-key", "k", code=1)
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
    ran(config, "action", "add", "Sum", "sample:sums", "--timeout", "90 s", "--retry-interval", "2")
    ran(config, "action", "disable", "succeed")
    listed = {row["name"]: row for row in answered(config, "action", "list")}
    assert (listed["Sum"]["handler"], listed["Sum"]["timeout"], listed["Sum"]["retry_interval"]) == (
        "sample:sums",
        "90 s",
        2,
    )
    assert not listed["succeed"]["is_active"]
    assert (config.parent / "actions.d" / "succeed.toml").read_text() == "is_active = false\n"
    ran(config, "action", "enable", "succeed")
    assert "succeed" in ran(config, "action", "list")
    assert config.read_text() == before
    assert "there is an action 'Sum' already" in ran(config, "action", "add", "Sum", "sample:sums", code=1)
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
async def test_result_that_python_cannot_hold_is_shown_as_text(db: Connection, config: Path, result: str) -> None:
    await db.execute("insert into asyncjob.job (job_name, status, result) values ('a', 'Completed', $1)", result)
    for command in (["list"], ["show", "1"], ["status"], ["top", "--once"]):
        ran(config, *command)
    assert isinstance(answered(config, "show", "1")["result"], str)
