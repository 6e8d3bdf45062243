"""`asyncjobd run` and `asyncjobd migrate`, as a newcomer meets them."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
import tomli_w

from asyncjobd.cli.failures import create_database
from tests.cli.commands import HANDLERS, refused
from tests.conftest import NewDatabase
from tests.support.daemon import DaemonProcess, asyncjobd, write_config


def test_database_that_is_missing_is_said_with_how_to_make_it(dsn: str) -> None:
    missing = dsn.replace("/test_", "/no_")
    name = urlsplit(missing).path[1:]
    for command in ("migrate", "doctor", "run"):
        done = asyncjobd("--dsn", missing, command)
        assert done.returncode == 69
        assert f"; create it first: {create_database(missing)}" in done.stderr + done.stdout
    assert create_database(missing).endswith(f" {name}, or in psql: create database {name}")


@pytest.mark.parametrize(
    ("dsn", "command"),
    [
        ("postgresql://me:pw@db.example:5433/jobs", "createdb -h db.example -p 5433 -U me jobs"),
        ("postgresql://me@/jobs?host=/run/postgresql", "createdb -h /run/postgresql -U me jobs"),
        ("postgresql://me@a,b/my-jobs", "createdb -h a -U me my-jobs"),
        ("postgresql://me@localhost", "createdb -h localhost -U me me"),
        ("postgresql://me@[::1]:5433/jobs", "createdb -h ::1 -p 5433 -U me jobs"),
        ("postgresql://me@[::1]/jobs", "createdb -h ::1 -U me jobs"),
        ("postgresql://me@h/my%20jobs", "createdb -h h -U me 'my jobs'"),
    ],
)
def test_command_that_makes_the_database_is_that_of_the_dsn(dsn: str, command: str) -> None:
    assert create_database(dsn).partition(", or")[0] == command


def test_daemon_with_a_new_server_logs_its_schema_in_one_line(tmp_path: Path, postgres_bin: Path) -> None:
    config = tmp_path / "config.toml"
    database = {"data_directory": str(tmp_path / "pg"), "postgres_bin": str(postgres_bin)}
    config.write_text(tomli_w.dumps({"database": database, "daemon": {"handler_path": [str(HANDLERS)]}}))
    daemon = DaemonProcess(config).ready()
    assert len(daemon.events("schema.migrated")) == 1
    assert daemon.stop() == 0


def test_schema_that_is_missing_is_said(new_empty_database: NewDatabase, tmp_path: Path) -> None:
    assert "run `asyncjobd migrate`" in refused(write_config(tmp_path, new_empty_database()), "run")
