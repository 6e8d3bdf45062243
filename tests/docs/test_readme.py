"""Every command and snippet of the README, run. The two set-up commands and the systemd ones: .ci/run, tests/systemd."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import NewDaemon
from tests.support.daemon import ROOT, DaemonProcess, asyncjobd
from tests.support.jobs import Connection, row, settled
from tests.support.jobs import insert as insert_job

README = (Path(__file__).parents[2] / "README.md").read_text()


def snippets(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def served(dsn: str, tmp_path: Path) -> DaemonProcess:
    """A daemon with the README's handlers and configuration."""
    (tmp_path / "my_handlers.py").write_text(snippets("python")[0])
    config = tmp_path / "config.toml"
    config.write_text(snippets("toml")[0])
    return DaemonProcess(config, ASYNCJOBD_DSN=dsn).ready()


@pytest.mark.anyio
async def test_sql_of_the_readme_does_what_it_says(served: DaemonProcess, db: Connection) -> None:
    (sql,) = snippets("sql")
    inserts, updates = sql.split("update ", 1)
    await db.execute(inserts)
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
    for update, status in zip(re.findall(r"update .*;", "update " + updates), expected, strict=True):
        await db.execute(update)
        assert (await settled(db, 1))["status"] == status
    assert (await row(db, 1))["execution_total"] == 3
    await db.execute(updates[updates.index("select ") :])


@pytest.mark.anyio
async def test_handlers_of_the_readme_do_what_they_say(served: DaemonProcess, db: Connection) -> None:
    poll = await db.fetchval(
        "insert into asyncjob.job (job_name, params, is_recursive, retry_interval)"
        " values ('Poll', '{\"until\": 2}', true, interval '100 ms') returning id"
    )
    assert (await settled(db, poll))["message"] == "there; no more repetitions"
    child = await settled(db, await db.fetchval("select id from asyncjob.job where parent_id = $1", poll))
    assert (child["job_name"], child["max_execution_count"]) == ("EmailSender", 3)
    assert served.wait_for("sent", job_id=child["id"])["to"] == "a@b.c"


@pytest.mark.anyio
async def test_transaction_of_the_readme_is_exactly_once(served: DaemonProcess, db: Connection) -> None:
    await db.execute(
        "create table account (id integer primary key, balance integer); insert into account values (1, 0)"
    )
    insert = """insert into asyncjob.job (job_name, params) values ('Deposit', '{"account": 1, "amount": 5}') returning id"""
    assert (await settled(db, await db.fetchval(insert)))["status"] == "Completed"
    assert await db.fetchval("select balance from account") == 5


@pytest.mark.anyio
async def test_columns_of_the_readme_are_those_of_the_table(db: Connection) -> None:
    (clients,) = re.findall(r"The client writes (.*?)\. It is refused", README, re.DOTALL)
    (daemons,) = re.findall(r"\| column \| what it says \|\n(.*?)\n\n", README, re.DOTALL)
    named = re.findall(r"`(\w+)`", clients) + re.findall(
        r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", daemons, re.MULTILINE))
    )
    columns = await db.fetch(
        "select attname from pg_attribute where attrelid = 'asyncjob.job'::regclass and attnum > 0"
    )
    assert sorted(["id", *named]) == sorted(name for (name,) in columns)


def test_python_of_the_readme_runs(served: DaemonProcess, dsn: str) -> None:
    script = snippets("python")[1]
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "DATABASE_URL": dsn},
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "Completed sent to a@b.c {'accepted': True}\n"


def test_shell_of_the_readme_runs(served: DaemonProcess, dsn: str) -> None:
    (script,) = [snippet for snippet in snippets("sh") if snippet.startswith("asyncjobd")]
    command = f'asyncjobd() {{ {sys.executable} -m asyncjobd "$@"; }}\nset -e\n{script}'
    environment = {**os.environ, "ASYNCJOBD_CONFIG": str(served.config), "ASYNCJOBD_DSN": dsn}
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, env=environment)
    assert ran.returncode == 0, ran.stderr
    assert "Completed: sent to a@b.c" in ran.stdout


@pytest.mark.anyio
async def test_program_of_the_readme_compresses(db: Connection, dsn: str, tmp_path: Path) -> None:
    (script,) = snippets("bash")
    program = tmp_path / "compress.sh"
    program.write_text(script)
    program.chmod(0o755)
    exports = tmp_path / "exports"
    exports.mkdir()
    for name in ("a.csv", "b.csv", "c.txt"):
        (exports / name).write_text(name)
    config = tmp_path / "config.toml"
    config.write_text(snippets("toml")[1].replace("/srv/jobs", str(tmp_path)))
    daemon = DaemonProcess(config, ASYNCJOBD_DSN=dsn).ready()
    (insert,) = re.findall(r"`psql -c \"(insert .*?)\"`", README)
    job = await settled(db, await db.fetchval(insert.replace("\\", "") + " returning id"))
    assert (job["status"], job["message"]) == ("Completed", None)
    assert sorted(path.name for path in exports.glob("*.gz")) == ["a.csv.gz", "b.csv.gz"]
    assert daemon.stop() == 0


def test_stock_handlers_of_the_readme_take_their_options(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(snippets("toml")[2])
    checked = asyncjobd("--config", str(config), "config", "check")
    assert checked.stdout == f"{config}: good, 4 actions\n", checked.stderr


@pytest.mark.anyio
async def test_hooks_of_the_readme_run(db: Connection, start_daemon: NewDaemon, tmp_path: Path) -> None:
    (tmp_path / "my_hooks.py").write_text(snippets("python")[2])
    (hooks,) = re.findall(r"`\[daemon\] hooks = (\[.*?\])`", README)
    actions = {
        "raises": {"handler": "tests.support.handlers:raises", "max_execution_count": 1},
        "succeed": {"handler": "tests.support.handlers:succeed"},
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


def test_figures_command_prints_the_readmes_table() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.main_job", "1"],
        capture_output=True, text=True, timeout=100, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    figures = [line.split("|")[1].strip() for line in ran.stdout.splitlines()[2:]]
    assert len(figures) == 6
    assert all(f"| {figure} |" in README for figure in figures)
