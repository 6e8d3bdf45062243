"""Hooks: what they see and may change of an execution, and that their failures break nothing else."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from asyncjobd.actions.catalog import load_actions
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.load import load_config
from tests.api import hook_handlers
from tests.conftest import NewDaemon
from tests.support.actions import actions_of, isolated
from tests.support.daemon import DaemonProcess, write_config
from tests.support.jobs import Connection, insert, row, set_status, settled, unowned

pytestmark = pytest.mark.anyio

MODULE = hook_handlers.__name__
ACTIONS = actions_of(hook_handlers, max_execution_count=1) | {"isolated": isolated(hook_handlers.succeeds)}
HOOKS = [f"{MODULE}:{name}" for name in ("outer", "Inner", "as_asked")]
LIMITED = {"timeout": "interval '300 ms'"}
SEEN = ("outer", "inner", "handler")
AROUND = ["outer.before", "inner.before", "handler", "inner.after", "outer.after"]
LATE_FAILURES = {
    "fails_after": "ConnectionError: no way",
    "hangs_after": "CancelledError",
    "forgets_the_result": "TypeError: the hook returned None: expected a JobResult",
    "goes_on_twice": "RuntimeError: proceed was called twice",
}


@pytest.fixture
def hooked(start_daemon: NewDaemon) -> DaemonProcess:
    return start_daemon(actions=ACTIONS, hooks=HOOKS).ready()


def seen(daemon: DaemonProcess, job_id: int) -> list[str]:
    """Return the events that the hooks and the handler logged, in order."""
    return [entry["event"] for entry in daemon.events(job_id=job_id) if entry["event"].split(".")[0] in SEEN]


async def end(
    db: Connection, daemon: DaemonProcess, name: str, hook: str = "keeps_it", **columns: str
) -> Any:
    """Return the row of a job with that hook around it, once its last event is logged."""
    job = await settled(db, await insert(db, name, f'{{"hook": "{hook}"}}', **columns))
    daemon.wait_for(f"job.{job['status'].lower()}", job_id=job["id"])
    return job


async def test_hooks_are_around_the_handler_in_their_order(db: Connection, hooked: DaemonProcess) -> None:
    for name in ("succeeds", "answers_nothing", "in_thread", "isolated"):
        job = await end(db, hooked, name)
        message = None if name == "answers_nothing" else "done"
        assert (job["status"], job["message"]) == ("Completed", message), name
        assert seen(hooked, job["id"]) == AROUND
        (before,) = hooked.events("outer.before", job_id=job["id"])
        told = before["params"], before["job_name"], before["execution_count"]
        assert told == ('{"hook": "keeps_it"}', name, 1)
        (after,) = hooked.events("outer.after", job_id=job["id"])
        assert after["outcome"] == "success"


async def test_result_changed_by_a_hook_is_recorded(db: Connection, hooked: DaemonProcess) -> None:
    job = await end(db, hooked, "typed")
    assert (job["status"], job["message"]) == ("Completed", "changed")
    assert hooked.wait_for("outer.after")["message"] == "changed"


async def test_hook_may_return_a_result_in_place_of_the_handler(
    db: Connection, hooked: DaemonProcess
) -> None:
    job = await end(db, hooked, "succeeds", "in_its_place")
    assert (job["status"], job["last_execution_status"], job["message"]) == (
        "Completed",
        "completed",
        "not needed",
    )
    assert "handler" not in seen(hooked, job["id"])


async def test_exception_of_the_handler_reaches_the_hooks_as_it_is(
    db: Connection, hooked: DaemonProcess
) -> None:
    job = await end(db, hooked, "raises")
    assert (job["status"], job["message"]) == ("Failed", "KeyError: 'the reason'")
    assert seen(hooked, job["id"]) == ["outer.before", "inner.before", "inner.failed", "outer.raised"]
    assert hooked.wait_for("inner.failed")["reason"] == "KeyError: 'the reason'"
    assert hooked.wait_for("outer.raised")["error"] == "KeyError: 'the reason'"


async def test_hooks_see_params_that_do_not_fit(db: Connection, hooked: DaemonProcess) -> None:
    job = await settled(db, await insert(db, "typed", '{"x": 1}'))
    assert job["last_execution_status"] == "fatal_error"
    assert job["message"].startswith("params do not fit typed: ")
    assert hooked.wait_for("inner.failed")["reason"].startswith("ParamsError: params do not fit")


async def test_hooks_see_a_failure_after_its_result(db: Connection, hooked: DaemonProcess) -> None:
    job = await end(db, hooked, "fails")
    assert (job["status"], job["message"]) == ("Failed", "not today")
    assert seen(hooked, job["id"]) == [
        "outer.before",
        "inner.before",
        "inner.after",
        "inner.failed",
        "outer.after",
    ]
    assert hooked.wait_for("inner.failed")["reason"] == "JobResult: not today"


@pytest.mark.parametrize("name", ["blocks", "late_in_thread"])
async def test_hooks_see_a_timeout_as_a_cancellation_and_a_failure(
    db: Connection, hooked: DaemonProcess, name: str
) -> None:
    job = await end(db, hooked, name, **LIMITED)
    assert (job["status"], job["last_execution_status"]) == ("Failed", "timeout")
    assert hooked.wait_for("inner.failed")["reason"] == "JobResult: still running after its timeout of 0.3 s"
    raised = hooked.wait_for("outer.raised")
    assert (raised["error"], raised["stop_reason"]) == ("CancelledError: ", "timeout")


async def test_hooks_do_not_see_a_stop_as_a_failure(db: Connection, hooked: DaemonProcess) -> None:
    job_id = await insert(db, "blocks")
    hooked.wait_for("handler", job_id=job_id)
    await set_status(db, job_id, "Hold")
    await unowned(db, job_id, "Hold")
    raised = hooked.wait_for("outer.raised")
    assert (raised["error"], raised["stop_reason"]) == ("CancelledError: ", "stopped")
    assert not hooked.events("inner.failed")


async def test_hooks_do_not_see_a_shutdown_as_a_failure(db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon(actions=ACTIONS, hooks=HOOKS, shutdown_grace="0 s").ready()
    job_id = await insert(db, "blocks")
    daemon.wait_for("handler", job_id=job_id)
    assert daemon.stop() == 0
    assert ((await row(db, job_id))["status"], (await row(db, job_id))["execution_count"]) == (
        "In Progress",
        0,
    )
    assert daemon.events("outer.raised") and not daemon.events("inner.failed")


async def test_hook_that_fails_before_the_handler_fails_the_execution(
    db: Connection, hooked: DaemonProcess
) -> None:
    job = await end(db, hooked, "succeeds", "fails_before")
    assert (job["status"], job["last_execution_status"]) == ("Failed", "failed")
    assert job["message"] == f"HookError: the hook '{MODULE}:as_asked' failed: ConnectionError: no way"
    assert "ConnectionError" in job["traceback"]
    assert seen(hooked, job["id"]) == ["outer.before", "inner.before", "inner.failed", "outer.raised"]


async def test_hook_that_hangs_before_the_handler_is_named(db: Connection, hooked: DaemonProcess) -> None:
    job = await end(db, hooked, "succeeds", "hangs_before", **LIMITED)
    assert job["last_execution_status"] == "timeout"
    failed = hooked.wait_for("hook.failed", job_id=job["id"])
    assert (failed["hook"], failed["consequence"]) == (f"{MODULE}:as_asked", "the handler did not run")


async def test_hook_that_fails_after_the_handler_leaves_its_outcome(
    db: Connection, hooked: DaemonProcess
) -> None:
    for hook, reason in LATE_FAILURES.items():
        job = await end(db, hooked, "succeeds", hook, **(LIMITED if hook == "hangs_after" else {}))
        ended = job["status"], job["last_execution_status"], job["message"]
        assert ended == ("Completed", "success", "done"), hook
        (failed,) = hooked.events("hook.failed", job_id=job["id"])
        assert (failed["hook"], failed["level"]) == (f"{MODULE}:as_asked", "error")
        assert failed["exception"].rstrip().endswith(reason)
        assert seen(hooked, job["id"]) == AROUND
        after = hooked.wait_for("outer.after", job_id=job["id"])
        assert "stop_reason" not in after  # the timeout was the hook's


async def test_hook_that_fails_after_an_exception_leaves_the_exception(
    db: Connection, hooked: DaemonProcess
) -> None:
    job = await end(db, hooked, "raises", "fails_after")
    assert (job["status"], job["message"]) == ("Failed", "KeyError: 'the reason'")
    assert "ConnectionError" not in job["traceback"]
    assert "ConnectionError: no way" in hooked.wait_for("hook.failed")["exception"]


async def test_timeout_set_by_a_hook_fails_the_job_in_the_hooks_name(
    db: Connection, hooked: DaemonProcess
) -> None:
    job = await end(db, hooked, "blocks", "limits")
    assert (job["last_execution_status"], job["message"].rstrip(": ")) == (
        "failed", f"HookError: the hook '{MODULE}:as_asked' failed: TimeoutError",
    )  # fmt: skip


async def test_transaction_commits_only_where_handler_and_hooks_are_done(
    db: Connection, hooked: DaemonProcess
) -> None:
    await db.execute("create table written (name text)")
    for hook, answer, is_kept in (
        ("makes_a_success_of_it", "raises", False),
        ("makes_a_success_of_it", "failed", False),
        ("makes_a_failure_of_it", "success", False),
        ("keeps_it", "success", True),
        ("fails_after", "success", True),
    ):
        job = await settled(db, await insert(db, "writes", f'{{"hook": "{hook}", "answer": "{answer}"}}'))
        assert job["message"] == ("written" if is_kept else "made of it"), (hook, answer)
        assert await db.fetchval("select count(*) from written") == is_kept, (hook, answer)
        await db.execute("truncate written")


async def test_changed_hooks_are_taken_up(db: Connection, hooked: DaemonProcess) -> None:
    await end(db, hooked, "succeeds")
    text = hooked.config.read_text()
    hooked.config.write_text(text.replace(f"{MODULE}:outer", f"{MODULE}:absent"))
    os.kill(hooked.pid, signal.SIGHUP)
    assert f"[daemon] hooks: module '{MODULE}' has no 'absent'" in hooked.wait_for("config.refused")["reason"]
    hooked.config.write_text(text.replace(f'    "{MODULE}:outer",\n', ""))
    os.kill(hooked.pid, signal.SIGHUP)
    hooked.wait_for("config.reloaded")
    job = await end(db, hooked, "succeeds")
    assert seen(hooked, job["id"]) == ["inner.before", "handler", "inner.after"]
    assert not hooked.events("config.needs_restart")


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        (MODULE, f"'{MODULE}' is not of the form 'module:attribute'"),
        ("nowhere:hook", "cannot import 'nowhere': ModuleNotFoundError"),
        (f"{MODULE}:absent", f"module '{MODULE}' has no 'absent'"),
        (
            f"{MODULE}:__doc__",
            f"'{MODULE}:__doc__' cannot be a hook: it is neither an async function nor a Hook",
        ),
        (f"{MODULE}:typed", f"'{MODULE}:typed' cannot be a hook: it is neither an async function nor a Hook"),
        (f"{MODULE}:not_async", f"'{MODULE}:not_async' cannot be a hook: it is not an async def"),
        (
            f"{MODULE}:takes_one",
            "it must take two arguments, context and proceed: too many positional arguments",
        ),
        (
            f"{MODULE}:SynchronousHook",
            f"'{MODULE}:SynchronousHook' cannot be a hook: its before_execute is not an async def",
        ),
        (f"{MODULE}:NeedsAnArgument", "missing 1 required positional argument: 'url'"),
    ],
)
def test_hook_that_cannot_be_one_is_refused(tmp_path: Path, hook: str, reason: str) -> None:
    config = write_config(tmp_path, "", actions={}, hooks=[hook])
    with pytest.raises(ConfigError) as refused:
        load_actions(load_config(config))
    assert str(refused.value).startswith(f"{config}: [daemon] hooks: ")
    assert reason in str(refused.value)
