"""The container with the units, installed by the documentation's own commands."""

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.snippets import named
from tests.systemd.container import Container
from tests.systemd.service import Service

REPOSITORY = Path(__file__).parents[2]
CONFIG = """
[daemon]
lease = "3 s"
handler_path = ["/srv/asyncjobd"]
[actions]
Greeting = {handler = "asyncjobd_handlers.demo:greet"}
Nap = {handler = "tests.systemd.service_handlers:sleeps"}
Hang = {handler = "tests.systemd.service_handlers:hangs"}
Block = {handler = "tests.systemd.service_handlers:blocks_loop"}
Write = {handler = "tests.systemd.service_handlers:writes"}
Command = {handler = "asyncjobd_handlers.command:Command", options = {argv = ["grep", "-c", "you"], exit_codes = {0 = "completed"}}}
Eat = {handler = "tests.systemd.service_handlers:eats", isolation = "process", memory_limit = "128 MB", max_execution_count = 1}
"""
POSTGRES = """
cd /var/lib/postgresql
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
$bin/initdb -D jobs --auth-local=peer --auth-host=scram-sha-256 --no-sync --no-instructions
$bin/pg_ctl -D jobs -l jobs.log -w start
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """The container. It has no network, so what pip would fetch is put into it."""
    folder = tmp_path_factory.mktemp("machine")
    made = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    project, needed = made["project"], made["build-system"]["requires"]
    fetching = subprocess.Popen(
        [sys.executable, "-m", "pip", "download", "-q", "-c", REPOSITORY / ".ci/constraints.txt", "-d", folder / "wheels",
         *needed, *project["dependencies"], *project["optional-dependencies"]["embedded"], *project["optional-dependencies"]["web"]],
    )  # fmt: skip
    container = Container(folder)
    try:
        assert fetching.wait() == 0
        container.copy(folder / "wheels", "/srv/wheels")
        container.copy(REPOSITORY, "/srv/asyncjobd")
        yield container
    finally:
        container.stop()


@pytest.fixture(scope="module")
def service(machine: Container) -> Service:
    """The unit, installed and started."""
    pip = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "/srv/wheels",
        "HOME": "/root",
        "PATH": "/usr/sbin:/usr/bin",
    }
    installed = machine.run("cd /srv/asyncjobd\n" + named("systemd-install").text, **pip)
    service = Service(machine)
    assert installed.returncode == 0, installed.stderr + service.log()
    service.run(f"echo '{CONFIG}' > /etc/asyncjobd/config.toml; mkdir /etc/asyncjobd/actions.d")
    service.restart()
    return service


@pytest.fixture(scope="module")
def jobs(service: Service) -> Service:
    """The service, moved to the system's PostgreSQL by the documentation's commands. It has no network."""
    service.run(f"runuser -u postgres -- bash -euc '{POSTGRES}'")
    service.run(named("systemd-postgres").text)
    return Service(service.machine, dsn="postgresql:///jobs?host=/var/run/postgresql", as_user="postgres")


@pytest.fixture(scope="module")
def web(jobs: Service) -> Service:
    """The unit of the page, installed by the documentation's commands."""
    jobs.run("echo '[web]\nviewers = [\"games\"]' >> /etc/asyncjobd/config.toml")
    jobs.run(
        "export PIP_NO_INDEX=1 PIP_FIND_LINKS=/srv/wheels HOME=/root; cd /srv/asyncjobd\n"
        + named("web-install").text
    )
    return Service(jobs.machine, "asyncjobd-web")
