"""`asyncjobd config init` and `config check`, and where a configuration is looked for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from asyncjobd.postgres.embedded import default_data_directory
from tests.cli.commands import ACTIONS, config_of, printed, refused
from tests.support.daemon import asyncjobd


def ran_in(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a folder, of a user who has no configuration and no server."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ASYNCJOBD_"))
    }
    return subprocess.run(
        [sys.executable, "-P", "-m", "asyncjobd", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=60, env=environment | {"HOME": str(folder)},
    )  # fmt: skip


def test_config_is_made_and_checked(tmp_path: Path) -> None:
    made = ran_in(tmp_path, "config", "init")
    assert "asyncjobd run --config config.toml" in made.stdout
    assert f"export ASYNCJOBD_CONFIG={tmp_path / 'config.toml'}" in made.stdout
    assert (
        ran_in(tmp_path, "config", "check", "--config", "config.toml").stdout
        == "config.toml: good, 0 actions\n"
    )
    assert "exists already" in ran_in(tmp_path, "config", "init").stderr
    (tmp_path / "config.toml").write_text("[daemon]\nlaese = 3\n")
    checked = ran_in(tmp_path, "config", "check", "--config", "config.toml")
    assert checked.returncode == 78
    assert "did you mean 'lease'?" in checked.stderr.replace('"', "'")


def test_numbers_and_nouns_agree(dsn: str, tmp_path: Path) -> None:
    one = config_of(tmp_path, dsn, {"succeed": ACTIONS["succeed"]})
    assert printed(one, "config", "check") == f"{one}: good, 1 action\n"


def test_file_in_the_working_directory_is_pointed_at(tmp_path: Path) -> None:
    """It is not used unless it is named: who works in a folder of others would run their code."""
    ran_in(tmp_path, "config", "init")
    for command in (["status"], ["config", "check"]):
        assert "add --config config.toml" in ran_in(tmp_path, *command).stderr


def test_module_beside_the_file_is_pointed_at(dsn: str, tmp_path: Path) -> None:
    config = config_of(tmp_path, dsn, {"Mine": {"handler": "my_handlers:mine"}})
    (tmp_path / "my_handlers.py").write_text("async def mine(params, context): ...\n")
    said = refused(config, "config", "check", code=78)
    assert "cannot import 'my_handlers'" in said
    assert 'my_handlers.py is beside the file: add handler_path = ["."] to [daemon]' in said
    text = config.read_text()
    config.write_text(text.replace("handler_path = [", 'handler_path = [".", ', 1))
    assert printed(config, "config", "check").endswith("good, 1 action\n")


def test_dsn_that_run_would_refuse_is_refused(config: Path) -> None:
    config.write_text('[database]\ndsn = "localhost/jobs"\n')
    assert "[database] dsn: expected postgresql://" in refused(config, "config", "check", code=78)


def test_all_that_cannot_be_used_is_said(dsn: str, tmp_path: Path) -> None:
    config = config_of(tmp_path, "localhost/jobs", {"Mine": {"handler": "nowhere:mine"}})
    said = refused(config, "config", "check", code=78)
    assert "cannot import 'nowhere'" in said
    assert "[database] dsn: expected postgresql://" in said


@pytest.mark.parametrize("code", ["", "STATE_DIRECTORY"])
def test_configurations_that_are_named_have_servers_of_their_own(tmp_path: Path, code: str) -> None:
    """Two projects of a user saw each other's jobs; a unit's own directory is its own already."""
    told = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.toml").write_text("")
        environment = {"HOME": str(tmp_path), "XDG_STATE_HOME": ""} | (
            {code: str(tmp_path / "unit")} if code else {}
        )
        told.append(asyncjobd("--config", str(tmp_path / name / "config.toml"), "list", **environment).stderr)
    if code:
        assert all(f"no embedded server at {tmp_path}/unit/postgres: " in each for each in told)
    else:
        for name, each in zip(("one", "two"), told, strict=True):
            assert f"no embedded server at {tmp_path}/.local/state/asyncjobd/postgres-{name}-" in each


def test_client_and_command_find_the_same_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME", "ASYNCJOBD_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    of_user = default_data_directory()
    monkeypatch.setenv("ASYNCJOBD_CONFIG", str(tmp_path / "config.toml"))
    assert default_data_directory() == default_data_directory(tmp_path / "config.toml") != of_user
    assert of_user == tmp_path / ".local/state/asyncjobd/postgres"


def test_params_of_a_schedule_that_its_handler_refuses_are_said(dsn: str, tmp_path: Path) -> None:
    schedules = {"nightly": {"job_name": "greet", "every": "1 day", "params": {"to": 5}}}
    config = config_of(tmp_path, dsn, schedules=schedules)
    said = refused(config, "config", "check", code=78)
    assert f"{config}: [schedules.nightly] params: params do not fit greet: " in said
