"""The options that a configuration gives to the handler of an action."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asyncjobd.actions.catalog import load_actions
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.load import load_config
from tests.actions.bad_input_handlers import typed_class
from tests.actions.options_handlers import Greets
from tests.conftest import NewDaemon
from tests.support.actions import action, path_of
from tests.support.daemon import asyncjobd, write_config
from tests.support.handlers import succeed
from tests.support.jobs import Connection, insert, settled

pytestmark = pytest.mark.anyio


async def test_handler_gets_the_options_of_its_action(db: Connection, start_daemon: NewDaemon) -> None:
    hello = action(Greets, options={"greeting": "hello"})
    howdy = action(Greets, options={"greeting": "howdy", "times": 2})
    start_daemon(actions={"hello": hello, "howdy": howdy}).ready()
    assert (await settled(db, await insert(db, "hello", '{"to": "you"}')))["message"] == "hello you"
    assert (await settled(db, await insert(db, "howdy", '{"to": "you"}')))["message"] == "howdy howdy you"


@pytest.mark.parametrize(
    ("handler", "options", "reason"),
    [
        (Greets, {}, "greeting is missing"),
        (Greets, {"greeting": "a", "tmies": 2}, "tmies is unknown"),
        (Greets, {"greeting": "a", "times": "2"}, "times: expected `int`, got `str`"),
        (typed_class, {"a": 1}, "takes no options"),
        (succeed, {"a": 1}, f"{path_of(succeed)!r} is a function, which takes no options"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    tmp_path: Path, handler: Callable[..., Any], options: dict[str, Any], reason: str
) -> None:
    config = write_config(tmp_path, "", actions={"X": action(handler, options=options)})
    with pytest.raises(ConfigError) as refused:
        load_actions(load_config(config))
    assert str(refused.value).startswith(f"{config}: [actions.X.options]: ")
    assert reason in str(refused.value)


def test_options_are_given_on_the_command_line(tmp_path: Path) -> None:
    config = str(write_config(tmp_path, "", actions={}))
    for wrong in ("[]", "5", '{"greeting": null}'):
        refused = asyncjobd("--config", config, "action", "add", "X", path_of(Greets), "--options", wrong)
        assert (refused.returncode, "is not a JSON object that TOML can hold" in refused.stderr) == (2, True)
    assert asyncjobd("--config", config, "action", "add", "X", path_of(Greets)).returncode == 78
    added = asyncjobd(
        "--config", config, "action", "add", "X", path_of(Greets), "--options", '{"greeting": "hi"}'
    )
    assert added.returncode == 0, added.stderr
    assert load_config(Path(config)).actions["X"].options == {"greeting": "hi"}
