"""Exceptions that an action names: which of them fail a job at once, and which are retried."""

import json
from pathlib import Path

import pytest

from asyncjobd.actions.exceptions import ExceptionRules
from asyncjobd.params import ParamsError
from tests.actions import exceptions_handlers
from tests.actions.exceptions_handlers import (
    Declined,
    ProviderError,
    Strict,
    Unavailable,
    charge,
    charge_in_thread,
    odd,
)
from tests.support.actions import Actions, action
from tests.support.daemon import DaemonProcess, asyncjobd, write_config
from tests.support.jobs import Connection, insert, settled, unowned

pytestmark = pytest.mark.anyio

MODULE = exceptions_handlers.__name__
NAMED = {
    "fatal_exceptions": [f"{MODULE}:ProviderError"], "retried_exceptions": [f"{MODULE}:Unavailable"]
}  # fmt: skip


@pytest.fixture(scope="module")
def actions() -> Actions:
    return {
        "charge": action(charge, **NAMED),
        "in_thread": action(charge_in_thread, **NAMED),
        "isolated": action(charge, isolation="process", **NAMED),
        "odd": action(odd, **NAMED),
        "odd_isolated": action(odd, isolation="process", **NAMED),
        "strict": action(Strict, retried_exceptions=["asyncjobd.params:ParamsError"]),
        "strict_isolated": action(
            Strict, retried_exceptions=["asyncjobd.params:ParamsError"], isolation="process"
        ),
    }


@pytest.fixture
def dsn(module_dsn: str) -> str:
    return module_dsn


@pytest.fixture
def daemon(module_daemon: DaemonProcess) -> DaemonProcess:
    return module_daemon


@pytest.mark.parametrize("name", ["charge", "in_thread", "isolated"])
@pytest.mark.parametrize("kind", ["ProviderError", "Declined"])
async def test_fatal_exception_and_its_subclasses_fail_the_job_at_once(
    db: Connection, daemon: DaemonProcess, name: str, kind: str
) -> None:
    job = await settled(db, await insert(db, name, json.dumps({"kind": kind})))
    assert (job["status"], job["execution_count"], job["last_execution_status"]) == (
        "Failed",
        1,
        "fatal_error",
    )
    assert job["message"] == f"{kind}: as asked"
    assert f"exceptions_handlers.{kind}: as asked" in job["traceback"]


@pytest.mark.parametrize("name", ["charge", "in_thread", "isolated"])
@pytest.mark.parametrize("kind", ["Unavailable", "StillUnavailable", "KeyError"])
async def test_retried_exception_and_all_that_are_not_named_are_retried(
    db: Connection, daemon: DaemonProcess, name: str, kind: str
) -> None:
    job = await unowned(db, await insert(db, name, json.dumps({"kind": kind})), "Queued")
    assert job["last_execution_status"] == "failed"


@pytest.mark.parametrize("name", ["charge", "isolated"])
async def test_group_is_as_the_exceptions_in_it(db: Connection, daemon: DaemonProcess, name: str) -> None:
    fatal = await insert(db, name, '{"kind": "Declined", "grouped": true}')
    assert (await settled(db, fatal))["last_execution_status"] == "fatal_error"
    retried = await insert(db, name, '{"kind": "Unavailable", "grouped": true}')
    assert (await unowned(db, retried, "Queued"))["last_execution_status"] == "failed"


@pytest.mark.parametrize("name", ["strict", "strict_isolated"])
async def test_params_that_do_not_fit_yet_are_retried_if_the_action_says_so(
    db: Connection, daemon: DaemonProcess, name: str
) -> None:
    job = await unowned(db, await insert(db, name, '{"a": "b"}'), "Queued")
    assert (job["last_execution_status"], job["traceback"]) == ("failed", None)
    assert job["message"].startswith("params do not fit Strict: ")


@pytest.mark.parametrize("name", ["odd", "odd_isolated"])
async def test_exception_that_cannot_be_looked_for_is_retried(
    db: Connection, daemon: DaemonProcess, name: str
) -> None:
    job = await unowned(db, await insert(db, name), "Queued")
    assert (job["last_execution_status"], job["message"]) == ("failed", "Odd: as asked")


def test_nearest_class_counts() -> None:
    rules = ExceptionRules(frozenset({Exception, Declined}), frozenset({ProviderError}))
    assert [rules.is_fatal(error) for error in (KeyError(), ProviderError(), Declined(), Unavailable())] == [
        True, False, True, False
    ]  # fmt: skip
    assert ExceptionRules().is_fatal(ParamsError())
    assert not ExceptionRules().is_fatal(ValueError())


@pytest.mark.parametrize(
    ("key", "name", "reason"),
    [
        ("fatal_exceptions", "nowhere:Declined", "cannot import 'nowhere': ModuleNotFoundError"),
        ("fatal_exceptions", f"{MODULE}:Refused", f"module '{MODULE}' has no 'Refused'"),
        ("retried_exceptions", f"{MODULE}:charge", f"'{MODULE}:charge' is no exception class"),
        ("retried_exceptions", "builtins:int", "'builtins:int' is no exception class"),
        ("retried_exceptions", "Declined", "'Declined' is not of the form 'module:attribute'"),
        ("retried_exceptions", f"{MODULE}:ProviderError", "ProviderError is in fatal_exceptions, too"),
    ],
)
def test_name_that_is_no_exception_is_refused_with_file_and_key(
    tmp_path: Path, key: str, name: str, reason: str
) -> None:
    keys = {"fatal_exceptions": [f"{MODULE}:ProviderError"]} | {key: [name]}
    config = write_config(tmp_path, "postgresql://nowhere", {"charge": action(charge, **keys)})
    checked = asyncjobd("--config", str(config), "config", "check")
    assert checked.returncode == 78
    assert f"{config}: [actions.charge] {key}: {reason}" in checked.stderr


def test_list_that_is_none_is_refused(tmp_path: Path) -> None:
    config = write_config(
        tmp_path, "postgresql://nowhere", {"charge": action(charge, fatal_exceptions="builtins:KeyError")}
    )
    said = asyncjobd("--config", str(config), "config", "check").stderr
    assert '[actions.charge] fatal_exceptions: "builtins:KeyError": expected a list of texts, such as' in said
