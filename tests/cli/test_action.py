"""`asyncjobd action`: actions are written as drop-ins, and shown as daemons published them."""

from pathlib import Path

import pytest

from tests.cli.commands import answered, assert_fits, on_terminal, printed, refused, run
from tests.support.daemon import DaemonProcess


def test_actions_are_written_as_drop_ins_and_the_file_is_left_alone(config: Path) -> None:
    before = config.read_text()
    run(
        config,
        "action",
        "add",
        "Sum",
        "handlers_for_commands:succeed",
        "--timeout",
        "90 s",
        "--retry-interval",
        "2 min",
    )
    run(config, "action", "disable", "succeed")
    listed = {row["name"]: row for row in answered(config, "action", "list")}
    assert listed["Sum"]["handler"] == "handlers_for_commands:succeed"
    assert (listed["Sum"]["timeout"], listed["Sum"]["retry_interval"]) == ("90 s", "2 min")
    assert not listed["succeed"]["is_active"]
    assert (config.parent / "actions.d" / "succeed.toml").read_text() == "is_active = false\n"
    run(config, "action", "enable", "succeed")
    assert "succeed" in printed(config, "action", "list")
    assert config.read_text() == before
    assert "there is an action 'Sum' already" in refused(
        config, "action", "add", "Sum", "handlers_for_commands:block"
    )
    assert "there is no action 'Other'" in refused(config, "action", "disable", "Other")


def test_action_that_would_be_refused_changes_nothing(config: Path) -> None:
    assert "nothing was changed: " in refused(config, "action", "add", "Bad", "nowhere:x", code=78)
    assert not (config.parent / "actions.d" / "Bad.toml").exists()


def test_durations_of_an_action_have_units(config: Path) -> None:
    said = refused(config, "action", "add", "Sum", "handlers_for_commands:succeed", "--timeout", "5", code=2)
    assert '--timeout: "5" has no unit: write "5 s" or "5 min"' in said


def test_no_example_is_given_that_the_handler_would_refuse(config: Path) -> None:
    """A handler of dict[str, str] takes {}, and fails with it, as it needs keys that nobody has declared."""
    DaemonProcess(config).ready()
    shown = printed(config, "action", "show", "greet")
    assert "object; which fields the handler needs is not declared: see its code" in shown
    assert "asyncjobd enqueue" not in shown
    assert answered(config, "action", "show", "greet")["example"] is None


@pytest.mark.parametrize("columns", [80, 120])
def test_lists_fit_the_terminal(config: Path, columns: int) -> None:
    run(config, "action", "add", "A" * 90, "handlers_for_commands:succeed", "--timeout", "90 s")
    listed = on_terminal(config, "action", "list", columns=columns)
    assert_fits(listed, columns)
    assert len(listed.splitlines()) == 6
