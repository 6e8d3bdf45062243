"""The container with the units, installed by the documentation's own commands."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.docs.snippets import named
from tests.support.wheels import collect
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
PIP = {
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": "/srv/carried/wheels",
    "HOME": "/root",
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
}
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
    with ThreadPoolExecutor() as executor:
        collecting = executor.submit(collect, folder / "carried")
        container = Container(folder)
    try:
        collecting.result()
        container.copy(folder / "carried", "/srv/carried")
        container.copy(REPOSITORY, "/srv/asyncjobd")
        yield container
    finally:
        container.stop()


@pytest.fixture(scope="module")
def service(machine: Container) -> Service:
    """The unit, installed and started."""
    installed = machine.run(named("systemd-install").text, **PIP)
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
    installed = jobs.machine.run(named("web-install").text, **PIP)
    assert installed.returncode == 0, installed.stderr + jobs.log()
    return Service(jobs.machine, "asyncjobd-web")
