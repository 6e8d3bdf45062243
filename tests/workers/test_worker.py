"""A handler in a worker process is configured, ends and logs as others do."""

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from asyncjobd.actions.catalog import load_actions
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.load import load_config
from tests.actions import bad_input_handlers
from tests.actions.options_handlers import Greets
from tests.conftest import NewDaemon
from tests.support.actions import COMMON, ISOLATED, action, actions_of, isolated, path_of
from tests.support.daemon import DaemonProcess, asyncjobd, write_config
from tests.support.jobs import Connection, insert, row, settled, until
from tests.support.workers import is_alive, reported, until_true, workers
from tests.workers import hazards_handlers
from tests.workers.hazards_handlers import pid, tells

pytestmark = pytest.mark.anyio

MODULE = hazards_handlers.__name__
ENDINGS = {
    "answer": '{"answers": ["completed"]}',
    "typed_class": '{"to": "a@b.c"}',
    "checked": '{"to": "NOBODY"}',
    "weighs": '{"grams": 0}',
    "nonsense": "{}",
    "exits": "{}",
    "exits_in_thread": "{}",
    "untraceable": "{}",
    "raises": "{}",
    "unprintable": "{}",
    "unstorable": "{}",
    "wrong_after": "{}",
    "cancels_itself": "{}",
}


async def test_isolated_handlers_end_as_others_do(db: Connection, start_daemon: NewDaemon) -> None:
    known = COMMON | actions_of(bad_input_handlers)
    both = {name: known[name] | ISOLATED for name in ENDINGS}
    both |= {f"{name}_plain": {**keys, "isolation": "none"} for name, keys in both.items()}
    start_daemon(actions=both).ready()
    ids = {name: await insert(db, name, params) for name, params in ENDINGS.items()}
    plain_ids = {name: await insert(db, f"{name}_plain", params) for name, params in ENDINGS.items()}
    for name in ENDINGS:
        job, plain = await settled(db, ids[name]), await settled(db, plain_ids[name])
        for column in ("status", "message", "result", "last_execution_status"):
            assert job[column] == plain[column], (name, column)
        assert (job["traceback"] is None) == (plain["traceback"] is None), name
    assert 'raise KeyError("the reason")' in (await row(db, ids["raises"]))["traceback"]


async def test_text_that_cannot_be_sent_is_replaced(db: Connection, daemon: DaemonProcess) -> None:
    job = await settled(db, await insert(db, "raises_surrogates"))
    assert (job["status"], job["message"]) == ("Failed", "RuntimeError: ?")


async def test_options_reach_the_process(db: Connection, daemon: DaemonProcess) -> None:
    assert (await settled(db, await insert(db, "greets", '{"to": "you"}')))["message"] == "hello you"


async def test_progress_reaches_the_row(db: Connection, daemon: DaemonProcess, tmp_path: Path) -> None:
    job_id = await insert(db, "reports", f'{{"file": "{tmp_path / "go"}"}}')
    found = await until(db, job_id, lambda row: row["progress_message"] == "step 99")
    assert found["progress"] == pytest.approx(0.495)


@pytest.mark.parametrize("name", ["fans_out", "tight"])
async def test_jobs_of_a_handler_are_its_children(db: Connection, daemon: DaemonProcess, name: str) -> None:
    """They are inserted by the worker's own client, also by its second job, and within the smallest memory_limit."""
    for _ in range(2):
        parent = await settled(db, await insert(db, name, '{"children": 3}'))
        assert parent["status"] == "Completed", parent["message"]
        children = "select count(*) from asyncjob.job where parent_id = $1"
        assert await db.fetchval(children, parent["id"]) == 3


async def test_transaction_is_refused(db: Connection, daemon: DaemonProcess) -> None:
    job = await settled(db, await insert(db, "writes", '{"sql": "select 1"}'))
    assert job["message"].startswith("RuntimeError: transaction() is not available in a worker process: ")


async def test_lines_of_a_handler_carry_its_job(db: Connection, daemon: DaemonProcess) -> None:
    job_id = await insert(db, "tells")
    end = daemon.wait_for("job.completed", job_id=job_id)
    lines = {
        event["event"]: event for event in daemon.events(job_id=job_id, execution_count=1, job_name="tells")
    }
    assert {"for the curious", "with a value", "by logging", "with a traceback"} < lines.keys()
    assert lines["with a value"]["number"] == 2**70
    assert (lines["by logging"]["logger"], lines["by logging"]["level"]) == ("a.library", "warning")
    assert "ValueError: caught" in lines["with a traceback"]["exception"]
    assert lines["with a traceback"]["timestamp"] <= end["timestamp"]


async def test_line_that_cannot_be_sent_fails_no_job(db: Connection, daemon: DaemonProcess) -> None:
    job = await settled(db, await insert(db, "tells_oddly"))
    assert job["status"] == "Completed", job["message"]
    assert daemon.wait_for("odd", job_id=job["id"])["method_name"] == "rpc"


async def test_option_that_cannot_be_sent_is_refused(tmp_path: Path) -> None:
    large = isolated(Greets, options={"greeting": "hello", "times": 2**62 * 4})
    config = write_config(tmp_path, "", actions={"X": large})
    with pytest.raises(
        ConfigError, match=r"\[actions\.X\.options\]: a value cannot be sent to the worker process: "
    ):
        load_actions(load_config(config))


async def test_lines_of_a_handler_follow_the_level_of_its_action(
    db: Connection, start_daemon: NewDaemon
) -> None:
    quiet, loud = (isolated(tells, log_level=level) for level in ("warning", "debug"))
    daemon = start_daemon(actions={"quiet": quiet, "loud": loud}, logging={"level": "info"}).ready()
    logged = {}
    for name in ("quiet", "loud"):
        job = await settled(db, await insert(db, name))
        logged[name] = job["id"]
    daemon.wait_for("job.completed", job_name="loud")
    assert [event["event"] for event in daemon.events(job_id=logged["quiet"])] == [
        "by logging",
        "with a traceback",
    ]
    assert daemon.events("for the curious", job_id=logged["loud"])


async def test_what_a_handler_prints_is_logged(db: Connection, daemon: DaemonProcess) -> None:
    job_id = await insert(db, "prints")
    for line in ("to standard output", "to standard error", "by a process of its own"):
        daemon.wait_for("worker.printed", job_id=job_id, line=line)


async def test_large_answer_comes_whole(db: Connection, daemon: DaemonProcess) -> None:
    job = await settled(db, await insert(db, "answers_much", '{"characters": 20000000}'))
    assert len(job["result"]) == 20_000_002
    too_much = await settled(db, await insert(db, "answers_much", '{"characters": 200000000}'))
    assert too_much["message"] == "ValueError: the handler returned more than 100,000,000 characters"


async def test_changed_options_end_the_processes_that_have_the_old_ones(
    db: Connection, daemon: DaemonProcess
) -> None:
    await settled(db, await insert(db, "pid"))
    (unchanged,) = workers(daemon)
    await settled(db, await insert(db, "greets", '{"to": "you"}'))
    (idle,) = set(workers(daemon)) - {unchanged}
    daemon.config.write_text(daemon.config.read_text().replace('greeting = "hello"', 'greeting = "howdy"'))
    os.kill(daemon.pid, signal.SIGHUP)
    daemon.wait_for("config.reloaded", changed=["greets"])
    assert (await settled(db, await insert(db, "greets", '{"to": "you"}')))["message"] == "howdy you"
    await until_true(lambda: not is_alive(idle))
    assert is_alive(unchanged)


async def test_process_whose_action_has_changed_ends_with_its_job(
    db: Connection, daemon: DaemonProcess, tmp_path: Path
) -> None:
    job_id = await insert(db, "reports", f'{{"file": "{tmp_path / "go"}"}}')
    await reported(db, job_id)
    (worker,) = workers(daemon)
    drop_in = daemon.config.parent / "actions.d" / "reports.toml"
    drop_in.parent.mkdir()
    drop_in.write_text('memory_limit = "1 GB"')
    daemon.wait_for("config.reloaded", changed=["reports"])
    assert is_alive(worker)
    (tmp_path / "go").touch()
    assert (await settled(db, job_id))["status"] == "Completed"
    await until_true(lambda: not is_alive(worker))


async def test_worker_process_shows_no_secret_in_its_command_line(
    db: Connection, daemon: DaemonProcess, dsn: str
) -> None:
    await settled(db, await insert(db, "pid"))
    (worker,) = workers(daemon)
    shown = Path(f"/proc/{worker}/cmdline").read_bytes() + Path(f"/proc/{worker}/environ").read_bytes()
    assert b"asyncjobd.workers.child\0pid\0" in shown
    assert dsn.encode() not in shown


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"isolation": "thread"}, 'isolation: "thread": expected one of "none", "process"'),
        (
            {"memory_limit": "512 MB"},
            'memory_limit: only a process of its own can have one: add isolation = "process"',
        ),
        (
            {"isolation": "process", "memory_limit": "much"},
            'memory_limit: "much" is not a size',
        ),
        (
            {"isolation": "process", "memory_limit": "63 MB"},
            'memory_limit: "63 MB" is out of range: the smallest is 64 MB',
        ),
        (
            {"isolation": "process", "handler": f"{MODULE}:nobody"},
            f"handler: module '{MODULE}' has no 'nobody'",
        ),
    ],
)
def test_impossible_isolation_is_refused(tmp_path: Path, keys: dict[str, Any], reason: str) -> None:
    config = write_config(tmp_path, "", actions={"X": action(pid) | keys})
    with pytest.raises(ConfigError, match=re.escape(f"[actions.X] {reason}")):
        load_actions(load_config(config))


def test_isolation_is_given_on_the_command_line(tmp_path: Path) -> None:
    config = str(write_config(tmp_path, "", actions={}))
    command = ["--config", config, "action", "add", "X", path_of(pid), "--memory-limit", "1 GB"]
    assert asyncjobd(*command).returncode == 78
    added = asyncjobd(*command, "--isolation", "process")
    assert added.returncode == 0, added.stderr
    (action,) = json.loads(asyncjobd("--config", config, "action", "list", "--json").stdout)
    assert (action["isolation"], action["memory_limit"]) == ("process", "1 GB")
