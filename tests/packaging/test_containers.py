"""The daemon as process 1, as it is in a container, and the files of howto/containers."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from asyncjobd.config.durations import parse_duration
from asyncjobd.config.load import load_config
from asyncjobd.engine.daemon import ANSWER_TIMEOUT, CANCEL_GRACE
from tests.docs.snippets import named
from tests.support.daemon import ROOT, DaemonProcess, needs_root
from tests.support.jobs import Connection, insert, row, running, settled

pytestmark = pytest.mark.anyio

ACTIONS = """
[actions.Orphan]
handler = "asyncjobd_handlers.command:Command"
options = {argv = ["sh", "-c", "setsid --fork sleep 0.2"]}

[actions.block]
handler = "tests.support.handlers:block"
"""


def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(named("containers-compose").text)
    return parsed


def kubernetes() -> dict[str, Any]:
    """Return the manifest's objects by their kind."""
    return {each["kind"]: each for each in yaml.safe_load_all(named("containers-kubernetes").text)}


@pytest.fixture
def contained(dsn: str, tmp_path: Path) -> DaemonProcess:
    """A daemon that is process 1, with the page's configuration and its dsn in a file."""
    config = tmp_path / "config.toml"
    text = (
        named("containers-config").text.replace("0.0.0.0:9464", "127.0.0.1:0").replace('["."]', f'["{ROOT}"]')
    )
    config.write_text(text.replace("30 s", "1 s") + ACTIONS)
    (tmp_path / "dsn").write_text(dsn)
    daemon = DaemonProcess(config, is_alone=True, CREDENTIALS_DIRECTORY=str(tmp_path)).ready()
    namespaces = Path(f"/proc/{daemon.daemon_pid}/status").read_text().partition("NSpid:")[2]
    assert namespaces.splitlines()[0].split()[-1] == "1"
    return daemon


def children(pid: int) -> list[str]:
    """Return the states of a process's children by proc_pid_stat(5), such as Z for a zombie."""
    pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Path(f"/proc/{child}/stat").read_text().rpartition(") ")[2][0] for child in pids]


async def test_sigterm_ends_process_1_within_its_grace(contained: DaemonProcess, db: Connection) -> None:
    job_id = await insert(db, "block")
    await running(db, job_id)
    assert contained.stop(signal.SIGTERM) == 0
    assert (await row(db, job_id))["status"] == "In Progress"
    lines = contained.log.read_text().splitlines()
    assert json.loads(lines[-1])["event"] == "daemon.stopped"


@needs_root  # for a /proc of its own
async def test_programs_of_jobs_leave_no_zombies_to_process_1(
    contained: DaemonProcess, db: Connection
) -> None:
    """The command's keeper takes what a program leaves behind."""
    assert (await settled(db, await insert(db, "Orphan")))["status"] == "Completed"
    assert "Z" not in children(contained.daemon_pid)


async def test_probe_passes_while_the_daemon_runs(contained: DaemonProcess) -> None:
    command = compose()["services"]["jobs"]["healthcheck"]["test"]
    assert command[:3] == ["CMD", "python", "-c"]
    address = contained.wait_for("metrics.served")["address"]
    probe = [sys.executable, "-c", command[3].replace("127.0.0.1:9464", address)]
    assert subprocess.run(probe, stderr=subprocess.DEVNULL).returncode == 0
    contained.stop()
    assert subprocess.run(probe, stderr=subprocess.DEVNULL).returncode == 1


def test_files_agree_with_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(named("containers-config").text)
    config = load_config(path)
    assert config.metrics.address is not None
    _, port = config.metrics.address
    services, pod = compose()["services"], kubernetes()["Deployment"]["spec"]["template"]["spec"]
    longest_stop = config.daemon.shutdown_grace.total_seconds() + CANCEL_GRACE + 3 * ANSWER_TIMEOUT
    assert parse_duration(services["jobs"]["stop_grace_period"]).total_seconds() > longest_stop
    assert pod["terminationGracePeriodSeconds"] > longest_stop
    (container,) = pod["containers"]
    assert container["ports"] == [{"name": "metrics", "containerPort": port}]
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "metrics"}
    assert f"http://127.0.0.1:{port}/healthz" in services["jobs"]["healthcheck"]["test"][3]


def test_containers_have_no_rights() -> None:
    (container,) = (pod := kubernetes()["Deployment"]["spec"]["template"]["spec"])["containers"]
    user = pod["securityContext"]["runAsUser"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert f"USER {user}:{pod['securityContext']['fsGroup']}\n" in named("containers-dockerfile").text
    assert (
        container["securityContext"]["readOnlyRootFilesystem"] and compose()["services"]["jobs"]["read_only"]
    )
    assert (
        container["securityContext"]["capabilities"]["drop"]
        == compose()["services"]["jobs"]["cap_drop"]
        == ["ALL"]
    )


def test_files_name_what_they_have() -> None:
    project = compose()
    for service in project["services"].values():
        assert set(service.get("secrets", ())) <= project["secrets"].keys()
        assert set(service.get("depends_on", ())) <= project["services"].keys()
        assert service.get("command", ["run"])[0] in ("run", "migrate")
    objects = kubernetes()
    deployment = objects["Deployment"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert (
        deployment["selector"]["matchLabels"]
        == objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]
        == labels
    )
    pod = deployment["template"]["spec"]
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts.keys() == {volume["name"] for volume in pod["volumes"]}
    assert {"name": "CREDENTIALS_DIRECTORY", "value": mounts["dsn"]} in pod["containers"][0]["env"]
