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


def test_limits_of_an_action_are_written_and_shown_in_one_line(config: Path) -> None:
    limits = "max_running 9, max_running_per_key 2, rate 5 per hour, rate_per_key 1 per day, burst 3"
    options = ("--max-running", "9", "--max-running-per-key", "2", "--rate", "5 per hour", "--burst", "3")
    printed(
        config, "action", "add", "Sum", "handlers_for_commands:succeed", *options,
        "--rate-per-key", "1 per day", "--per-daemon", "0",
    )  # fmt: skip
    (listed,) = [row for row in answered(config, "action", "list") if row["name"] == "Sum"]
    assert listed["limits"] == f"{limits}, max_running_per_daemon 0"
    DaemonProcess(config).ready()
    printed(config, "limit", "Sum", "--per-daemon", "none")
    assert f"\nlimits                {limits}\n" in printed(config, "action", "show", "Sum")
    assert "\nlimits                no limits\n" in printed(config, "action", "show", "succeed")


def test_retries_of_an_action_are_written_and_shown_in_words(config: Path) -> None:
    printed(
        config, "action", "add", "Sum", "handlers_for_commands:succeed", "--retry-interval", "1 min", "--retry-backoff",
        "2", "--retry-interval-max", "1 hour", "--retry-jitter", "0.2", "--fatal-exception", "builtins:LookupError",
        "--retried-exception", "builtins:KeyError", "--retried-exception", "builtins:IndexError",
    )  # fmt: skip
    (listed,) = [row for row in answered(config, "action", "list") if row["name"] == "Sum"]
    assert [listed[f"retry_{key}"] for key in ("backoff", "interval_max", "jitter")] == [2.0, "1 hour", 0.2]
    assert listed["fatal_exceptions"] == ["builtins:LookupError"]
    assert listed["retried_exceptions"] == ["builtins:KeyError", "builtins:IndexError"]
    retries = "1 min, each time x 2, at most 1 hour, up to 0.2 of it earlier"
    exceptions = "fatal: builtins:LookupError; retried: builtins:KeyError, builtins:IndexError"
    table = printed(config, "action", "list")
    assert retries in table
    assert exceptions in table
    assert f"\nSum: retries after {retries}; {exceptions}\n" in printed(config, "config", "check")
    DaemonProcess(config).ready()
    shown = printed(config, "action", "show", "Sum")
    assert "\nretry_backoff         2\n" in shown
    assert "\nretry_interval_max    1 hour\n" in shown


def test_impossible_retries_of_an_action_are_refused(config: Path) -> None:
    add = ("action", "add", "Sum", "handlers_for_commands:succeed")
    for option, value, reason in (
        ("--retry-backoff", "0.5", "retry_backoff: 0.5: expected a number from 1 to 1000"),
        ("--retry-backoff", "nan", "retry_backoff: nan: expected a number"),
        ("--retry-jitter", "1.5", "retry_jitter: 1.5: expected a number from 0 to 1"),
        ("--fatal-exception", "nowhere:Error", "fatal_exceptions: cannot import 'nowhere'"),
    ):
        said = refused(config, *add, option, value, code=78)
        assert f"nothing was changed: {config.parent / 'actions.d' / 'Sum.toml'}: " in said
        assert reason in said
    said = refused(config, *add, "--retry-interval-max", "5", code=2)
    assert '--retry-interval-max: "5" has no unit' in said


def test_impossible_limit_of_an_action_is_refused(config: Path) -> None:
    add = ("action", "add", "Sum", "handlers_for_commands:succeed")
    assert '"0 per day" is not a rate: write one such as' in refused(
        config, *add, "--rate", "0 per day", code=2
    )
    assert "'none' is no number from 0 to 2147483647\n" in refused(
        config, *add, "--max-running", "none", code=2
    )


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
