"""The programs of howto/other_languages insert jobs in their own transaction, and a daemon runs them."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from anyio.from_thread import BlockingPortal
from psycopg.conninfo import conninfo_to_dict

from asyncjobd.postgres.embedded import EmbeddedServer
from tests.clients.languages import GO_PACKAGES, LANGUAGES, NODE_MODULES, Language
from tests.docs.snippets import named
from tests.faults.proxy import Proxy
from tests.support.daemon import DaemonProcess

PATIENCE = 100  # seconds for a program, which Go also compiles


@pytest.fixture(scope="module", autouse=True)
def served(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A daemon with the handlers and the configuration of howto/handlers."""
    folder = tmp_path_factory.mktemp("daemon")
    (folder / "my_handlers.py").write_text(named("handlers").text)
    (folder / "config.toml").write_text(named("handlers-config").text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASYNCJOBD_DSN", module_dsn)
        DaemonProcess(folder / "config.toml").ready()
    yield
    DaemonProcess.kill_all()


@pytest.fixture(scope="module")
def environment(module_dsn: str, server: EmbeddedServer, portal: BlockingPortal) -> Iterator[dict[str, str]]:
    """What says where the database is; JDBC has no Unix sockets."""
    parts = conninfo_to_dict(module_dsn)
    proxy = portal.call(Proxy.start, server.socket_directory)
    yield os.environ | {
        "DATABASE_URL": f"postgresql://postgres@/{parts['dbname']}?host={quote(str(parts['host']), safe='')}",
        "JDBC_URL": f"jdbc:postgresql://127.0.0.1:{proxy.port}{urlsplit(module_dsn).path}?user=postgres",
        "PGHOST": str(parts["host"]), "PGDATABASE": str(parts["dbname"]), "PGUSER": "postgres",
        "GO111MODULE": "off", "GOPATH": str(GO_PACKAGES.parent), "GOFLAGS": "",
    }  # fmt: skip
    portal.call(proxy.stop)


@pytest.fixture
def database(module_dsn: str) -> Iterator[psycopg.Connection]:
    """The module's database with a table whose key is looked at when a transaction commits, and without jobs."""
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute("create table invoice (id integer primary key deferrable initially deferred)")
        yield connection
        connection.execute("drop table invoice; delete from asyncjob.job")


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_program_enqueues_waits_and_cancels_and_is_undone(
    language: Language, environment: dict[str, str], database: psycopg.Connection, tmp_path: Path
) -> None:
    if not language.is_here:
        pytest.skip(f"its driver is not installed ({language.package})")
    file = tmp_path / language.file
    file.write_text(named(f"client-{language.name}").text.replace(*language.replaced))
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)

    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            language.command(file), capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path,
            env=environment | {"GOCACHE": str(tmp_path / "cache")},
        )  # fmt: skip

    ran = run()
    assert (ran.stdout, ran.returncode) == ("Completed: sent to a@b.c\n", 0), ran.stderr
    jobs = database.execute("select status, message, unique_key from asyncjob.job order by id").fetchall()
    assert jobs == [
        ("Completed", "sent to a@b.c", "invoice 7"), ("Failed", "set to Failed by postgres", None),
    ]  # fmt: skip

    undone = run()  # its invoice is there: the commit is refused
    assert undone.returncode != 0, undone.stdout
    assert "invoice_pkey" in undone.stderr + undone.stdout
    assert database.execute("select count(*) from asyncjob.job").fetchone() == (2,)
