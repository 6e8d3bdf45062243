"""What the shell completes; it reads no more than the configuration."""

import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from asyncjobd.cli import main
from tests.cli.commands import config_of


def completed(*words: str, incomplete: str = "") -> list[str]:
    shell = ShellComplete(main, {}, "asyncjobd", "_ASYNCJOBD_COMPLETE")
    return [str(item.value) for item in shell.get_completions(list(words), incomplete)]


@pytest.fixture
def config(tmp_path: Path) -> str:
    return str(config_of(tmp_path, "postgresql://nowhere"))


def test_commands_are_completed_without_importing_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "asyncjobd.cli.drain", raising=False)
    assert completed(incomplete="d") == ["demo", "drain", "doctor"]
    assert completed(incomplete="--c") == ["--config"]
    assert "asyncjobd.cli.drain" not in sys.modules


@pytest.mark.parametrize(
    "words",
    [["enqueue"], ["pause"], ["limit"], ["history"], ["action", "show"], ["schedule", "add", "nightly"]],
)
def test_actions_of_the_configuration_are_completed(config: str, words: list[str]) -> None:
    assert completed("--config", config, *words, incomplete="s") == ["succeed"]
    assert completed(*words, "--config", config, incomplete="s") == ["succeed"]


def test_statuses_and_topics_are_completed() -> None:
    assert completed("list", "--status", incomplete="r") == ["ready", "running"]
    assert "howto/systemd" in completed("help", incomplete="systemd")


def test_configuration_that_cannot_be_read_completes_nothing(tmp_path: Path) -> None:
    assert completed("--config", str(tmp_path / "nowhere.toml"), "enqueue") == []
