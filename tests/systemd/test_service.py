"""The unit, installed by the README's own commands on a real systemd."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.systemd.container import Container, is_possible
from tests.test_readme import snippets

REPOSITORY = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not is_possible(), reason="needs root and Debian's systemd-container")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """Installed and started. The container has no network, so what pip would fetch is put beside it."""
    folder = tmp_path_factory.mktemp("machine")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "-c", ".ci/constraints.txt", "-w", folder / "wheels", ".[embedded]", "hatchling"],
        check=True, cwd=REPOSITORY,
    )  # fmt: skip
    container = Container(folder)
    try:
        container.copy(folder / "wheels", "/srv/wheels")
        container.copy(REPOSITORY, "/srv/asyncjobd")
        (install,) = [snippet for snippet in snippets("sh") if "systemctl" in snippet]
        environment = {
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": "/srv/wheels",
            "HOME": "/root",
            "PATH": "/usr/sbin:/usr/bin",
        }
        installed = container.run(f"cd /srv/asyncjobd\n{install}", **environment)
        assert installed.returncode == 0, installed.stderr + container.run("journalctl -u asyncjobd --no-pager").stdout
        container.run(
            "mkdir -p /etc/asyncjobd/actions.d\n"
            "echo 'handler = \"asyncjobd_handlers.demo:greet\"' > /etc/asyncjobd/actions.d/Greeting.toml\n"
            "systemctl restart asyncjobd"
        )
        yield container
    finally:
        container.stop()


def shown(machine: Container, name: str) -> str:
    return machine.run(f"systemctl show asyncjobd --property={name} --value").stdout.strip()


def journal(machine: Container, event: str, **keys: Any) -> dict[str, Any]:
    """The last such event, waited for."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        lines = machine.run("journalctl -u asyncjobd -o cat --no-pager").stdout.splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        found = [e for e in events if e["event"] == event and all(e.get(key) == value for key, value in keys.items())]
        if found:
            return dict(found[-1])
        time.sleep(0.1)
    raise AssertionError(f"no {event} {keys} in {lines}")


def greeted(machine: Container) -> dict[str, Any]:
    """A job, run to its end by the service."""
    dsn = journal(machine, "database.embedded")["dsn"]
    ran = machine.run(
        f"/opt/asyncjobd/bin/asyncjobd --dsn '{dsn}' enqueue Greeting '{{\"to\": \"you\"}}' --wait --json"
    )
    assert ran.returncode == 0, ran.stderr
    return dict(json.loads(ran.stdout))


def test_service_is_ready_and_runs_a_job(machine: Container) -> None:
    assert (shown(machine, "ActiveState"), shown(machine, "User")) == ("active", "asyncjobd")
    assert "Greeting" in shown(machine, "StatusText") or "running 0/100" in shown(machine, "StatusText")
    assert greeted(machine)["message"] == "hello, you"


def test_killed_service_comes_back(machine: Container) -> None:
    before = shown(machine, "MainPID")
    machine.run(f"kill -9 {before}")
    deadline = time.monotonic() + 20
    while shown(machine, "MainPID") in {before, "0"} or shown(machine, "ActiveState") != "active":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert greeted(machine)["status"] == "Completed"


def test_stopped_service_ends_cleanly_with_its_server(machine: Container) -> None:
    assert machine.run("systemctl stop asyncjobd").returncode == 0
    assert (shown(machine, "ActiveState"), shown(machine, "Result")) == ("inactive", "success")
    assert machine.run("pgrep -u asyncjobd postgres || true").stdout == ""
    machine.run("systemctl start asyncjobd")


def test_wrong_configuration_is_not_restarted_in_a_loop(machine: Container) -> None:
    machine.run("echo 'handlr = 1' > /etc/asyncjobd/actions.d/Wrong.toml; systemctl restart asyncjobd || true")
    assert (shown(machine, "ActiveState"), shown(machine, "ExecMainStatus")) == ("failed", "78")
    assert "did you mean 'handler'?" in machine.run("journalctl -u asyncjobd -o cat --no-pager").stdout
    machine.run("rm /etc/asyncjobd/actions.d/Wrong.toml; systemctl restart asyncjobd")
    assert shown(machine, "ActiveState") == "active"
