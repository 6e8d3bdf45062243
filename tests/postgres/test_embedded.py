"""The embedded server: shared by processes, stopped with the last, its data kept."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
import tomli_w
from click.testing import CliRunner

from asyncjobd.cli import main
from asyncjobd.postgres.embedded import EmbeddedError, EmbeddedServer, find_binaries
from tests.support.daemon import ROOT, DaemonProcess, asyncjobd


@pytest.fixture
def config(tmp_path: Path, postgres_bin: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(
        tomli_w.dumps(
            {
                "database": {"data_directory": str(tmp_path / "pg@1"), "postgres_bin": str(postgres_bin)},
                "daemon": {"handler_path": [str(ROOT)], "lease": "2 s"},
                "actions": {"succeed": {"handler": "tests.support.handlers:succeed"}},
            }
        )
    )
    return path


def servers(config: Path) -> list[str]:
    """Return the servers' pids. A child that has not named itself yet looks like its server."""
    processes = subprocess.run(
        ["ps", "-wweo", "pid=,ppid=,args="], capture_output=True, text=True
    ).stdout.splitlines()
    named = [
        process.split()[:2] for process in processes if f"postgres -D {config.parent / 'pg@1'} " in process
    ]
    return [pid for pid, parent in named if parent not in {other for other, _ in named}]


def test_run_starts_the_server_and_stops_it(config: Path) -> None:
    daemon = DaemonProcess(config).ready()
    psql = daemon.wait_for("database.embedded")["psql"]
    insert = f"{psql} -qAtc \"insert into asyncjob.job (job_name) values ('succeed') returning id\""
    job_id = int(subprocess.run(insert, shell=True, capture_output=True, text=True, check=True).stdout)
    daemon.wait_for("job.completed", job_id=job_id)
    assert len(servers(config)) == 1
    assert daemon.stop() == 0
    assert servers(config) == []
    listed = asyncjobd("--config", str(config), "show", str(job_id))  # the data are kept
    assert "Completed" in listed.stdout
    assert servers(config) == []


def test_second_process_uses_the_running_server(config: Path) -> None:
    daemon = DaemonProcess(config).ready()
    before = servers(config)
    enqueued = asyncjobd("--config", str(config), "enqueue", "succeed", "--wait")
    assert enqueued.returncode == 0, enqueued.stderr
    assert servers(config) == before
    daemon.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_server_outlives_the_process_that_started_it_while_another_uses_it(
    config: Path, number: signal.Signals
) -> None:
    first = DaemonProcess(config).ready()
    second = DaemonProcess(config).ready()
    first.stop(number)
    enqueued = asyncjobd("--config", str(config), "enqueue", "succeed", "--json")
    assert enqueued.returncode == 0, enqueued.stderr
    second.wait_for("job.completed")
    assert second.stop() == 0
    assert servers(config) == []


def test_killed_process_leaves_no_server_behind(config: Path) -> None:
    daemon = DaemonProcess(config).ready()
    (pid,) = servers(config)
    daemon.stop(signal.SIGKILL)
    subprocess.run(["timeout", "20", "tail", f"--pid={pid}", "-f", "/dev/null"], check=True)
    assert servers(config) == []
    again = DaemonProcess(config).ready()
    assert again.stop() == 0


def test_simultaneous_first_starts_share_one_server(config: Path) -> None:
    daemons = [DaemonProcess(config) for _ in range(3)]
    for daemon in daemons:
        daemon.ready()
    assert len(servers(config)) == 1
    for daemon in daemons:
        assert daemon.stop() == 0


def test_long_path_gets_a_socket_that_fits(tmp_path: Path, postgres_bin: Path) -> None:
    server = EmbeddedServer(tmp_path / ("long" * 30) / "pg", postgres_bin)
    assert len(str(server.socket_directory / ".s.PGSQL.5432")) <= 107


def test_pid_file_that_names_another_postgres_is_not_attached_to_and_said(
    config: Path, server: EmbeddedServer
) -> None:
    DaemonProcess(config).ready().stop()
    stale = (server.data / "postmaster.pid").read_text()
    (config.parent / "pg@1" / "postmaster.pid").write_text(
        stale.replace(str(server.data), str(config.parent / "pg@1"))
    )
    again = DaemonProcess(config)
    refused = again.wait()
    assert refused == 69  # PostgreSQL itself will not start over a live pid
    assert "postmaster.pid" in again.errors.read_text()


def test_pid_file_that_names_another_program_holds_up_no_start(config: Path) -> None:
    data = config.parent / "pg@1"
    DaemonProcess(config).ready().stop()
    with subprocess.Popen(["sleep", "3600"]) as other:
        (data / "postmaster.pid").write_text(f"{other.pid}\n{data}\n0\n5432\n\n\n\nready\n")
        (config.parent / "pg@1.run" / ".s.PGSQL.5432.lock").write_text(f"{other.pid}\n{data}\n")
        assert DaemonProcess(config).ready().stop() == 0
        assert other.poll() is None
        other.kill()


def test_data_of_a_version_that_is_not_here_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedError, match="is of PostgreSQL 9, whose binaries are not on this machine"):
        find_binaries(tmp_path)


def test_server_that_cannot_start_says_why(config: Path) -> None:
    asyncjobd("--config", str(config), "migrate")
    (config.parent / "pg@1" / "postgresql.conf").write_text("no_such_setting = 1\n")
    listed = asyncjobd("--config", str(config), "list")
    assert listed.returncode == 69
    assert "no_such_setting" in listed.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_folder_for_its_socket_that_another_user_has_made_is_refused(
    config: Path, postgres_bin: Path
) -> None:
    taken = EmbeddedServer(config.parent / "pg@1", postgres_bin).socket_directory
    taken.mkdir()
    os.chown(taken, 65534, 65534)
    started = asyncjobd("--config", str(config), "run")
    assert started.returncode == 69
    assert f"{taken}, the folder for the socket, belongs to another user: remove it" in started.stderr


def test_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """This is so in a container that runs as a bare uid."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    done = CliRunner().invoke(main, ["status"])
    assert done.exit_code == 69
    assert r"set [database] dsn, [database] data_directory or $HOME" in done.output
