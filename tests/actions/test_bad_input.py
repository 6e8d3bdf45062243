"""Bad input never takes the daemon down and never loses a row; the user is told what is wrong."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner

from asyncjobd.cli import main
from asyncjobd.postgres.schema.migration import migrations
from asyncjobd.result import timed_out
from tests.actions import bad_input_handlers
from tests.conftest import NewDaemon, NewDatabase
from tests.support.actions import COMMON, Actions, action, actions_of
from tests.support.daemon import DaemonProcess, asyncjobd, write_config
from tests.support.handlers import succeed
from tests.support.jobs import Connection, insert, row, running, settled, unowned, until

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def actions() -> Actions:
    return COMMON | actions_of(bad_input_handlers)


@pytest.fixture
async def daemon(daemon: DaemonProcess, db: Connection) -> AsyncIterator[DaemonProcess]:
    """Check after each test that the same daemon still runs the next job."""
    yield daemon
    assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"


MISFITS = [
    ("typed", '{"x": 1}', "y is missing"),
    ("typed", '{"x": 1, "y": "2"}', "y: expected `int`, got `str`"),
    ("typed_class", "[]", "expected `object`, got `array`"),
    ("sums", '{"values": 3}', "values: expected `array`, got `int`"),
    ("weighs", '{"grams": 0}', "grams: input should be greater than 0"),
    ("checked", '{"to": "NOBODY"}', "'nobody' is not an address"),
    ("checked", "{}", "KeyError: 'to'"),
]
FITTING = [
    ("typed", '{"x": 1, "y": 2}', "3"),
    ("typed_class", '{"to": "a@b.c"}', "a@b.c x 1"),
    ("sums", '{"values": [1, 2, 3]}', "6"),
    ("weighs", '{"grams": "5"}', "5 g"),
    ("checked", '{"to": "A@B.C"}', "a@b.c"),
]
MISBEHAVIOUR = {
    "nonsense": "the handler returned 42: expected a JobResult or None",
    "exits": "SystemExit: 3",
    "exits_in_thread": "SystemExit: 4",
    "stops_iteration": "StopIteration",
    "untraceable": "SyntaxError",
    "raises": "KeyError: 'the reason'",
    "unprintable": "TypeError: Encoding objects of type object is unsupported",
    "no_unicode": r"ValueError: the handler returned text that is no Unicode: 'a \ud800'",
    "cancels_itself": "CancelledError",
    "wrong_after": "expected a timedelta of at most 1000 years of 360 days",
}


async def test_params_that_do_not_fit_fail_at_once(db: Connection, daemon: DaemonProcess) -> None:
    for job_name, params, reason in MISFITS:
        job = await settled(db, await insert(db, job_name, params))
        end = job["status"], job["execution_count"], job["last_execution_status"]
        assert end == ("Failed", 1, "fatal_error"), (job_name, params)
        assert "params do not fit" in job["message"]
        assert reason in job["message"]
        assert daemon.wait_for("job.failed", job_id=job["id"])["message"] == job["message"]


async def test_params_that_fit_are_typed(db: Connection, daemon: DaemonProcess) -> None:
    ids = [await insert(db, job_name, params) for job_name, params, _ in FITTING]
    messages = [(await settled(db, job_id))["message"] for job_id in ids]
    assert messages == [message for _, _, message in FITTING]


async def test_handler_that_misbehaves_fails_its_own_job(db: Connection, daemon: DaemonProcess) -> None:
    for job_name, reason in MISBEHAVIOUR.items():
        job = await settled(db, await insert(db, job_name, max_execution_count="1"))
        assert (job["status"], job["last_execution_status"]) == ("Failed", "failed"), job_name
        assert reason in job["message"]
        if job_name == "raises":
            assert "in raises" in job["traceback"]
            assert "in raises" in daemon.wait_for("job.failed", job_id=job["id"])["traceback"]


async def test_outcome_that_postgresql_refuses_fails_its_own_job_only(
    db: Connection, daemon: DaemonProcess
) -> None:
    ids = [await insert(db, name) for name in ["succeed", "unstorable"] * 5]
    jobs = [await settled(db, job_id) for job_id in ids]
    assert [job["status"] for job in jobs] == ["Completed", "Failed"] * 5
    assert "cannot be stored: " in jobs[1]["message"]


def test_timeout_is_a_number_that_can_be_read() -> None:
    for seconds, shown in ((1e-6, "0.000001 s"), (0.3, "0.3 s"), (2_592_000.0, "2592000 s")):
        assert timed_out(seconds).message == f"still running after its timeout of {shown}"


async def test_handler_that_sleeps_past_its_timeout_fails(db: Connection, daemon: DaemonProcess) -> None:
    job_id = await insert(db, "block", timeout="interval '100 ms'", max_execution_count="1")
    job = await settled(db, job_id)
    assert (job["last_execution_status"], job["message"]) == (
        "timeout",
        "still running after its timeout of 0.1 s",
    )


async def test_thread_that_sleeps_past_its_timeout_fails_when_it_ends(
    db: Connection, daemon: DaemonProcess
) -> None:
    columns = {"timeout": "interval '50 ms'", "max_execution_count": "1"}
    job = await settled(db, await insert(db, "sleeps_in_thread", '{"seconds": 0.3}', **columns))
    assert (job["status"], job["last_execution_status"]) == ("Failed", "timeout")
    assert (job["finished_at"] - job["started_at"]).total_seconds() >= 0.3


async def test_handler_that_swallows_its_cancellation_is_cancelled_again(
    db: Connection, daemon: DaemonProcess
) -> None:
    job = await settled(db, await insert(db, "stubborn", timeout="interval '50 ms'", max_execution_count="1"))
    assert job["last_execution_status"] == "timeout"


async def test_huge_params_run(db: Connection, daemon: DaemonProcess) -> None:
    job = await settled(db, await insert(db, "succeed", json.dumps({"text": "x" * 50_000_000})))
    assert job["status"] == "Completed"


async def test_unknown_name_is_held_with_the_closest_known_one(
    db: Connection, start_daemon: NewDaemon
) -> None:
    daemon = start_daemon(unknown_name_grace="0 s").ready()
    job_id = await insert(db, "suceed")
    job = await unowned(db, job_id, "Hold")
    assert job["hold_reason"] == "no daemon serves 'suceed'; did you mean 'succeed'?"
    assert daemon.wait_for("jobs.held", job_name="suceed")["count"] == 1


async def test_held_unknown_name_goes_on_once_it_is_served(db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(unknown_name_grace="0 s").ready()
    released, touched = await insert(db, "newcomer"), await insert(db, "newcomer")
    await unowned(db, released, "Hold")
    await unowned(db, touched, "Hold")
    await db.execute("update asyncjob.job set status = 'Queued' where id = $1", touched)
    await until(db, touched, lambda r: r["hold_reason"] is not None)
    await db.execute("update asyncjob.job set status = 'Failed' where id = $1", touched)
    start_daemon(actions={"newcomer": action(succeed)}).ready()
    assert (await settled(db, released))["status"] == "Completed"
    assert (await row(db, touched))["status"] == "Failed"


async def test_held_job_whose_name_is_corrected_goes_on(db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(unknown_name_grace="0 s", lease="1 s").ready()
    job_id = await insert(db, "suceed")
    await unowned(db, job_id, "Hold")
    await db.execute("update asyncjob.job set job_name = 'succeed' where id = $1", job_id)
    assert (await settled(db, job_id))["status"] == "Completed"


async def test_known_but_inactive_name_waits_and_show_says_why(db: Connection, daemon: DaemonProcess) -> None:
    job_id = await insert(db, "asleep")
    shown = asyncjobd("--config", str(daemon.config), "show", str(job_id), "--json")
    assert (
        json.loads(shown.stdout)["why"]["sentence"]
        == "the action is inactive: asyncjobd action enable asleep"
    )


@pytest.mark.parametrize("time", ["infinity", "-infinity", "0900-01-01", "20000-01-01"])
async def test_time_that_python_cannot_hold_is_refused_by_the_table(db: Connection, time: str) -> None:
    with pytest.raises(
        asyncpg.CheckViolationError, match="schedule_time must lie between the years 1000 and 9000, and is "
    ):
        await insert(db, "succeed", schedule_time=f"'{time}'")


@pytest.mark.parametrize("column", ["retry_interval", "timeout"])
async def test_longest_interval_runs_and_is_listed(
    db: Connection, daemon: DaemonProcess, column: str
) -> None:
    job_id = await insert(db, "succeed", is_recursive="true", **{column: "interval '1000 years'"})
    await unowned(db, job_id, "Queued")
    assert asyncjobd("--config", str(daemon.config), "list").returncode == 0
    with pytest.raises(
        asyncpg.CheckViolationError, match=f"{column} must be more than 0 and at most 1000 years, and is "
    ):
        await insert(db, "succeed", **{column: "interval '1001 years'"})


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://admin:hunter2/w@127.0.0.1/db",
        "postgresql://admin:1234/hunter2@127.0.0.1/db",
        "postgresql://admin:1234?hunter2@127.0.0.1/db",
        "postgresql://admin:12#hunter2@127.0.0.1/db",
        "postgresql://[admin:hunter2@127.0.0.1/db",
        "host=127.0.0.1 password=hunter2",
        "postgres:admin:hunter2",
        "postgresql://admin@127.0.0.1:hunter2/db",
        "postgresql://admin@127.0.0.1:65536,[::1]:1/hunter2",
        "postgresql://127.0.0.1:1/db?password=hunter2",
        "postgresql://127.0.0.1:1/db?PASSWORD=hunter2",
        "postgresql://admin:hunter2@127.0.0.1:1/db",
    ],
)
def test_password_of_a_malformed_dsn_is_not_shown(dsn: str) -> None:
    listed = CliRunner().invoke(main, ["--dsn", dsn, "list"])
    assert listed.exit_code in {69, 78}
    assert "hunter2" not in listed.output


def test_embedded_server_that_cannot_start_is_reported(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[database]\ndata_directory = "/proc/nowhere/pg"\n')
    for command in ("run", "migrate"):
        done = asyncjobd("--config", str(config), command)
        assert done.returncode == 69
        assert "the embedded server of /proc/nowhere/pg cannot be started" in done.stderr
    listed = asyncjobd("--config", str(config), "list")
    assert listed.returncode == 69
    assert "there is no embedded server at /proc/nowhere/pg" in listed.stderr


async def test_daemon_with_a_full_disk_under_its_log_goes_on(
    db: Connection, dsn: str, tmp_path: Path
) -> None:
    command = f"exec {sys.executable} -m asyncjobd --config {write_config(tmp_path, dsn)} run > /dev/full"
    daemon = subprocess.Popen(["setpriv", "--pdeathsig=KILL", "sh", "-c", command])
    try:
        for _ in range(2):
            assert (await settled(db, await insert(db, "raises", max_execution_count="1")))[
                "status"
            ] == "Failed"
        daemon.terminate()
        assert daemon.wait(20) == 0
    finally:
        daemon.kill()
        daemon.wait()


async def test_answers_that_are_too_much_for_one_statement_are_written(
    db: Connection, daemon: DaemonProcess
) -> None:
    ids = [await insert(db, "answers_megabytes") for _ in range(30)]
    assert {(await settled(db, job_id))["status"] for job_id in ids} == {"Completed"}


async def test_exception_and_progress_of_many_characters_are_cut(
    db: Connection, daemon: DaemonProcess
) -> None:
    """Text that fits into no statement would otherwise be tried for ever."""
    job_id = await insert(db, "shouts", '{"characters": 5000000}', max_execution_count="1")
    job = await settled(db, job_id)
    assert job["last_execution_status"] == "failed"
    assert job["message"].startswith("RuntimeError: xxx")
    for column in ("message", "traceback", "progress_message"):
        assert 1_000_000 <= len(job[column]) < 1_000_100


async def test_history_with_the_highest_counts_runs_again(db: Connection, daemon: DaemonProcess) -> None:
    columns = {"status": "'Completed'", "execution_total": "2147483647", "execution_count": "2147483647"}
    job_id = await insert(db, "succeed", last_execution_status="'success'", **columns)
    await db.execute("update asyncjob.job set status = 'In Progress' where id = $1", job_id)
    job = await until(db, job_id, lambda r: r["message"] == "done")
    assert (job["execution_total"], job["execution_count"]) == (2147483647, 1)


async def test_job_lost_after_thousands_of_executions_is_rescued(
    db: Connection, start_daemon: NewDaemon
) -> None:
    first = start_daemon().ready()
    job_id = await insert(db, "block", max_execution_count="1000000")
    await running(db, job_id)
    first.stop(signal.SIGKILL)
    async with db.transaction():
        await db.execute("set local asyncjob.engine = 'on'")
        await db.execute("update asyncjob.job set execution_count = 5000 where id = $1", job_id)
    start_daemon().ready()
    job = await unowned(db, job_id, "Queued")
    assert job["last_execution_status"] == "lost"


async def test_name_too_long_for_an_index_is_refused(db: Connection) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="job_name must have 1 to 500 bytes, and is xxx"):
        await insert(db, "x" * 501, schedule_time="now() + interval '1 hour'")


async def test_default_that_a_client_takes_from_a_running_row_is_kept(
    db: Connection, daemon: DaemonProcess, tmp_path: Path
) -> None:
    for column in ("retry_interval", "schedule_time", "max_execution_count", "is_recursive"):
        file = tmp_path / column
        job_id = await insert(db, "block_in_thread", f'{{"file": "{file}"}}', is_recursive="true")
        await running(db, job_id)
        await db.execute(f"update asyncjob.job set {column} = null where id = $1", job_id)
        file.touch()
        job = await unowned(db, job_id, "Queued")
        assert job["last_execution_status"] == "success", column


async def test_anchor_that_a_client_takes_from_a_running_row_in_two_steps_is_kept(
    db: Connection, daemon: DaemonProcess, tmp_path: Path
) -> None:
    file = tmp_path / "end"
    job_id = await insert(db, "block_in_thread", f'{{"file": "{file}"}}', is_recursive="true")
    await running(db, job_id)
    await db.execute("update asyncjob.job set is_recursive = false where id = $1", job_id)
    await db.execute("update asyncjob.job set schedule_time = null where id = $1", job_id)
    file.touch()
    job = await unowned(db, job_id, "Queued")
    assert job["last_execution_status"] == "success"
    assert job["due_at"] > job["now"]


async def test_row_that_breaks_a_rule_is_refused_by_the_table(db: Connection) -> None:
    job_id = await insert(db, "succeed", status="'Hold'")
    for column, value in {
        "job_name": "''",
        "retry_interval": "interval '0'",
        "retry_backoff": "0.9",
        "retry_interval_max": "interval '0'",
        "retry_jitter": "1.1",
        "timeout": "interval '-1 s'",
        "max_execution_count": "0",
        "schedule_time": "'4000-01-01 BC'",
        "unique_key": "repeat('x', 501)",
        "debounce_key": "repeat('x', 501)",
        "once_key": "repeat('x', 501)",
        "limit_key": "''",
    }.items():
        for statement in (
            f"insert into asyncjob.job (job_name) values ({value})"
            if column == "job_name"
            else f"insert into asyncjob.job (job_name, {column}) values ('succeed', {value})",
            f"update asyncjob.job set {column} = {value} where id = {job_id}",
        ):
            with pytest.raises(asyncpg.CheckViolationError, match=f"{column} must ") as refused:
                await db.execute(statement)
            assert refused.value.constraint_name == f"job_{column}_check"


def test_config_with_a_typo_is_refused_with_exit_code_78(dsn: str, tmp_path: Path) -> None:
    config = write_config(tmp_path, dsn, concurency=3)
    started = asyncjobd("--config", str(config), "run")
    assert started.returncode == 78
    assert f"{config}: [daemon]: unknown key 'concurency'; did you mean 'concurrency'?" in started.stderr


def test_handler_that_does_not_import_is_refused(dsn: str, tmp_path: Path) -> None:
    config = write_config(tmp_path, dsn, {"a": {"handler": "nowhere:x"}})
    started = asyncjobd("--config", str(config), "run")
    assert started.returncode == 78
    assert f"{config}: [actions.a] handler: cannot import 'nowhere': ModuleNotFoundError" in started.stderr


@pytest.mark.parametrize(
    ("handler", "extra", "library"),
    [
        ("asyncjobd_handlers.http:Http", "http", "httpx"),
        ("asyncjobd_handlers.email:Email", "email", "aiosmtplib"),
    ],
)
def test_stock_handler_whose_library_is_not_installed_is_refused(
    dsn: str, tmp_path: Path, handler: str, extra: str, library: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules[{library!r}] = None\n")
    config = write_config(tmp_path, dsn, {"a": {"handler": handler}})
    path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    checked = asyncjobd("--config", str(config), "config", "check", PYTHONPATH=path)
    assert checked.returncode == 78
    assert f"it needs {library}: pip install 'asyncjobd[{extra}]'" in checked.stderr


async def test_unreachable_database_is_reported_and_waited_for(
    start_daemon: NewDaemon, tmp_path: Path
) -> None:
    config = write_config(tmp_path, "postgresql://me:secret@127.0.0.1:1/nothing")
    daemon = DaemonProcess(config)
    said = daemon.wait_for("database.unreachable")
    assert said["database"] == "postgresql://me:***@127.0.0.1:1/nothing"
    assert "refused" in said["reason"].lower() or "Connect call failed" in said["reason"]
    assert daemon.stop() == 0
    assert "secret" not in daemon.log.read_text()
    listed = asyncjobd("--config", str(config), "list")
    assert listed.returncode == 69
    assert "no database at postgresql://me:***@127.0.0.1:1/nothing" in listed.stderr


def test_database_that_does_not_exist_is_an_error_at_once(dsn: str, tmp_path: Path) -> None:
    config = write_config(tmp_path, dsn.replace("/test_", "/no_"))
    started = asyncjobd("--config", str(config), "run")
    assert started.returncode == 69
    assert "does not exist; create it first: createdb " in started.stderr


async def test_missing_schema_is_reported(new_empty_database: NewDatabase, tmp_path: Path) -> None:
    config = write_config(tmp_path, new_empty_database())
    started = asyncjobd("--config", str(config), "run")
    assert started.returncode == 1
    assert (
        f"at version 0, this asyncjobd needs {migrations()[-1].version}: run `asyncjobd migrate`"
        in started.stderr
    )


async def test_second_signal_does_not_wait_for_the_handlers(db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon().ready()
    job_id = await insert(db, "block")
    await running(db, job_id)
    daemon.process.terminate()
    daemon.wait_for("daemon.stopping")
    assert daemon.stop() == 0
    assert (await row(db, job_id))["execution_count"] == 0


async def test_part_that_dies_ends_the_daemon_and_is_logged(db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon().ready()
    await db.execute("alter function asyncjob.grid_number rename to gone")
    job_id = await insert(db, "succeed", is_recursive="true")
    assert daemon.wait() == 1
    assert "UndefinedFunctionError" in daemon.log.read_text()
    assert (await row(db, job_id))["daemon_id"] is not None
