"""What single snippets of the documentation do, beyond running; and that its tables have what the code has."""

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import msgspec
import pytest

from asyncjobd.actions.catalog import ActionCatalog
from asyncjobd.actions.controls import Controls
from asyncjobd.cli import main
from asyncjobd.config import model
from asyncjobd.config.model import DatabaseConfig
from asyncjobd.config.web import WebConfig
from asyncjobd.engine.jobs.slots import Slots
from asyncjobd.observability.metrics.counters import DaemonMetrics
from asyncjobd.observability.metrics.prometheus import PrometheusCollector
from asyncjobd.observability.metrics.queue_sampler import QueueSampler
from asyncjobd.observability.metrics.queue_snapshot import Counts, QueueSnapshot, StorageSnapshot
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.link import Link
from asyncjobd.postgres.session import Session
from asyncjobd.result import Outcome
from tests.conftest import NewDaemon
from tests.docs.snippets import ROOT, named, text_of
from tests.support.actions import action
from tests.support.daemon import DaemonProcess, asyncjobd
from tests.support.handlers import raises, succeed
from tests.support.jobs import Connection, row, set_status, settled
from tests.support.jobs import insert as insert_job


@pytest.fixture
def served(dsn: str, tmp_path: Path) -> DaemonProcess:
    """A daemon with the handlers and the configuration of howto/handlers."""
    (tmp_path / "my_handlers.py").write_text(named("handlers").text)
    config = tmp_path / "config.toml"
    config.write_text(named("handlers-config").text)
    return DaemonProcess(config, ASYNCJOBD_DSN=dsn).ready()


@pytest.mark.anyio
async def test_sql_does_what_it_says(served: DaemonProcess, db: Connection) -> None:
    await db.execute(named("sql-insert").text)
    assert (await settled(db, 1))["message"] == "sent to a@b.c"
    assert (await row(db, 2))["status"] == "Queued"
    assert (await row(db, 3))["is_recursive"]
    assert (await settled(db, 4))["result"] == "2"
    expected = [
        "Completed",
        "Completed",
        "Completed",
        "Failed",
    ]  # an ended row does not go on Hold, and runs again
    for update, status in zip(re.findall(r"update .*;", named("sql-update").text), expected, strict=True):
        await db.execute(update)
        assert (await settled(db, 1))["status"] == status
    assert (await row(db, 1))["execution_total"] == 3
    await db.execute(named("sql-select").text)


@pytest.mark.anyio
async def test_handlers_do_what_they_say(served: DaemonProcess, db: Connection) -> None:
    poll = await db.fetchval(
        "insert into asyncjob.job (job_name, params, is_recursive, retry_interval)"
        " values ('Poll', '{\"until\": 2}', true, interval '100 ms') returning id"
    )
    assert (await settled(db, poll))["message"] == "there; no more repetitions"
    child = await settled(db, await db.fetchval("select id from asyncjob.job where parent_id = $1", poll))
    assert (child["job_name"], child["max_execution_count"]) == ("EmailSender", 3)
    assert served.wait_for("sent", job_id=child["id"])["to"] == "a@b.c"


@pytest.mark.anyio
async def test_transaction_is_exactly_once(served: DaemonProcess, db: Connection) -> None:
    await db.execute(
        "create table account (id integer primary key, balance integer); insert into account values (1, 0)"
    )
    insert = """insert into asyncjob.job (job_name, params) values ('Deposit', '{"account": 1, "amount": 5}') returning id"""
    assert (await settled(db, await db.fetchval(insert)))["status"] == "Completed"
    assert await db.fetchval("select balance from account") == 5


@pytest.mark.anyio
async def test_program_compresses(db: Connection, dsn: str, tmp_path: Path) -> None:
    program = tmp_path / "compress.sh"
    program.write_text(named("compress").text)
    program.chmod(0o755)
    exports = tmp_path / "exports"
    exports.mkdir()
    for name in ("a.csv", "b.csv", "c.txt"):
        (exports / name).write_text(name)
    config = tmp_path / "config.toml"
    config.write_text(named("compress-config").text.replace("/srv/jobs", str(tmp_path)))
    daemon = DaemonProcess(config, ASYNCJOBD_DSN=dsn).ready()
    insert = named("compress-insert").text.strip().removesuffix(";")
    job = await settled(db, await db.fetchval(insert + " returning id"))
    assert (job["status"], job["message"]) == ("Completed", None)
    assert sorted(path.name for path in exports.glob("*.gz")) == ["a.csv.gz", "b.csv.gz"]
    assert daemon.stop() == 0


@pytest.mark.anyio
async def test_each_failure_is_told_once(db: Connection, dsn: str, tmp_path: Path) -> None:
    (tmp_path / "my_alerts.py").write_text(named("alerts").text)
    config = tmp_path / "config.toml"
    config.write_text(named("alerts-config").text)
    DaemonProcess(config, ASYNCJOBD_DSN=dsn).ready()
    pay = await insert_job(db, "Pay", '{"amount": 0}')
    await insert_job(db, "Pay", '{"amount": 5}')
    for is_run_again, failures in ((False, 1), (False, 1), (True, 2)):
        if is_run_again:
            await set_status(db, pay, "In Progress")
        await settled(db, pay)
        await settled(db, await insert_job(db, "AlertOfFailures"))
        alerts = await db.fetch("select id from asyncjob.job where job_name = 'Alert'")
        assert len(alerts) == failures
        for alert in alerts:
            assert (await settled(db, alert["id"]))["message"] == f"told of job {pay}: nothing to pay"


@pytest.mark.parametrize(("name", "actions"), [("http-config", 2), ("email-config", 1), ("sql-config", 1)])
def test_stock_handlers_take_their_options(name: str, actions: int, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(named(name).text)
    checked = asyncjobd("--config", str(config), "config", "check")
    assert checked.returncode == 0, checked.stderr
    assert f"{actions} action" in checked.stdout


@pytest.mark.anyio
async def test_hooks_run(db: Connection, start_daemon: NewDaemon, tmp_path: Path) -> None:
    (tmp_path / "my_hooks.py").write_text(named("hooks").text)
    (hooks,) = re.findall(r"hooks = (\[.*?\])", named("hooks-config").text)
    actions = {
        "raises": action(raises, max_execution_count=1),
        "succeed": action(succeed),
    }
    path = [str(tmp_path), str(ROOT)]
    daemon = start_daemon(actions=actions, hooks=json.loads(hooks), handler_path=path).ready()
    await settled(db, await insert_job(db, "succeed"))
    assert daemon.wait_for("took", job_name="succeed")["seconds"] >= 0
    await settled(db, await insert_job(db, "raises"))
    assert "the reason" in daemon.wait_for("alert", job_name="raises")["reason"]


def test_demo_shows_what_became_of_each(postgres_bin: Path, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    for number in range(50):
        (files / f"{number}.txt").write_text("text " * number * 100)
    config = tmp_path / "config.toml"
    config.write_text(f'[database]\ndata_directory = "{tmp_path / "pg"}"\npostgres_bin = "{postgres_bin}"\n')
    ran = asyncjobd("--config", str(config), "demo", str(files))
    assert ran.returncode == 0, ran.stderr + ran.stdout
    assert "50 files Completed, 0 Failed" in ran.stdout
    for message in (
        "50 files, 0 failed",
        "hello, the future",
        "hello, patience",
        "attempt 3 got through",
        "third tick, the last",
        "did you mean 'DemoGreeting'?",
    ):
        assert message in ran.stdout


def test_figures_command_prints_the_documented_table() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.main_job", "1"],
        capture_output=True, text=True, timeout=100, cwd=ROOT,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    figures = [line.split("|")[1].strip() for line in ran.stdout.splitlines()[2:]]
    assert len(figures) == 6
    assert all(f"| {figure} |" in text_of("why/benchmarks") for figure in figures)


# ---------------------------------------------------------------- tables that say what the code has


def rows(page: str, heading: str | None = None) -> set[str]:
    """Return the names in the first column of a page's tables, or of those below one of its headings."""
    text = text_of(page)
    if heading is not None:
        text = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    first_columns = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return {name for column in first_columns for name in re.findall(r"`([^`]+)`", column)}


@pytest.mark.anyio
async def test_columns_are_those_of_the_table(db: Connection) -> None:
    columns = await db.fetch(
        "select attname from pg_attribute"
        " where attrelid = 'asyncjob.job'::regclass and attnum > 0 and not attisdropped"
    )
    documented = rows("reference/columns", "Columns that you write") | rows(
        "reference/columns", "Columns that the daemon writes"
    )
    assert documented == {name for (name,) in columns}


@pytest.mark.anyio
@pytest.mark.parametrize("table", ["asyncjob.schedule", "asyncjob.rollup"])
async def test_columns_of_other_tables_are_theirs(db: Connection, table: str) -> None:
    columns = await db.fetch(
        "select attname from pg_attribute"
        " where attrelid = $1::text::regclass and attnum > 0 and not attisdropped", table,
    )  # fmt: skip
    assert rows("reference/columns", f"Columns of {table}") == {name for (name,) in columns}


@pytest.mark.anyio
async def test_columns_that_clients_write_are_those_that_the_table_takes(db: Connection) -> None:
    job_id = await db.fetchval(
        "insert into asyncjob.job (job_name, status) values ('a', 'Hold') returning id"
    )
    with pytest.raises(Exception, match="cannot write what belongs to the daemon") as refusal:
        await db.execute("update asyncjob.job set message = 'mine' where id = $1", job_id)
    taken = re.findall(r"\w+", refusal.value.hint.removeprefix("A client writes "))  # type: ignore[attr-defined]
    assert rows("reference/columns", "Columns that you write") == set(taken) - {"and"}


@pytest.mark.parametrize(
    ("section", "kind"),
    [
        ("[database]", model.DatabaseConfig),
        ("[daemon]", model.DaemonConfig),
        ("[retention]", model.RetentionConfig),
        ("[logging]", model.LoggingConfig),
        ("[metrics]", model.MetricsConfig),
        ("[web]", WebConfig),
        ("[actions.NAME]", model.ActionConfig),
        ("[schedules.NAME]", model.ScheduleConfig),
    ],
)
def test_configuration_has_every_key(section: str, kind: type[msgspec.Struct]) -> None:
    assert rows("reference/configuration", section) == set(kind.__struct_fields__)


def test_commands_are_all_named() -> None:
    text = text_of("reference/commands").split("```")[0]
    assert set(re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE)) == set(
        main.list_commands(click.Context(main))
    )


def test_outcomes_are_all_named() -> None:
    named_outcomes = rows("reference/statuses", "What follows an execution")
    assert set(Outcome) <= {name.partition("(")[0] for name in named_outcomes}


def test_log_events_are_those_of_the_code() -> None:
    source = "\n".join(
        path.read_text() for folder in ("daemon", "handlers") for path in (ROOT / folder).rglob("*.py")
    )
    call = r'(?:\.(?:debug|info|warning|error|critical)|log_it|info_each)\(\s*"([a-z]+\.[a-z_]+)"'
    events = set(re.findall(call, source)) | {"log.lost", "log.withheld"}
    assert rows("reference/log_events") - {"job_id"} == events


def test_metrics_are_those_that_are_exported() -> None:
    snapshot = QueueSnapshot(
        0, {"a": Counts(0, 0, 0, 0, 0, None, 0, False)}, StorageSnapshot({"job": 0}, 0, 0)
    )
    link = Link(Database(DatabaseConfig(dsn="postgresql://nowhere")))
    metrics = DaemonMetrics()
    sampler = QueueSampler(Session(link, "sampler"), metrics, is_shown=False, is_scraped=True)
    sampler.snapshot = snapshot
    collector = PrometheusCollector(metrics, ActionCatalog({}), Slots(1), sampler, Controls(), link)
    suffixes = {"counter": "_total", "info": "_info"}
    exported = {metric.name + suffixes.get(metric.type, "") for metric in collector.collect()}
    documented = {name for name in rows("reference/metrics") if name.startswith("asyncjobd_")}
    assert documented == exported


def test_paths_of_the_architecture_exist() -> None:
    table = text_of("why/architecture").split("\n## Where to add something\n")[1]
    paths = [
        path
        for path in re.findall(r"`([\w/.]+)`", table)
        if "FOLDER" not in path and re.search(r"[/.]", path)
    ]
    assert len(paths) > 15
    for path in paths:
        assert any((ROOT / folder / path).exists() for folder in ("daemon/asyncjobd", ".")), path
