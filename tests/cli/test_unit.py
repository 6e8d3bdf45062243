"""`asyncjobd unit`, where no systemd runs; tests/systemd installs and removes the units on a real one."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from asyncjobd.cli.unit.sandbox import obstacle, unreadable
from asyncjobd.cli.unit.template import TEMPLATE_PROGRAM, Unit, is_unchanged
from tests.support.daemon import ROOT, asyncjobd

PROGRAM = Path(sysconfig.get_path("scripts")) / "asyncjobd"

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="needs an installation, by pip")


@pytest.mark.parametrize("kind", ["asyncjobd", "asyncjobd-web"])
def test_unit_names_the_paths_of_this_installation(kind: str) -> None:
    printed = asyncjobd("unit", *(["--web"] if kind == "asyncjobd-web" else []))
    template = (ROOT / "systemd" / f"{kind}.service").read_text()
    assert TEMPLATE_PROGRAM in template
    assert printed.stdout == template.replace(TEMPLATE_PROGRAM, str(PROGRAM))


def test_unit_of_an_instance_has_its_own_configuration() -> None:
    assert "--config /etc/%N/config.toml run" in asyncjobd("unit", "blue").stdout  # %N: asyncjobd@blue
    assert "--config /etc/asyncjobd@%i/config.toml web" in asyncjobd("unit", "blue", "--web").stdout


def test_printed_unit_says_where_it_would_not_start() -> None:
    why = obstacle()
    assert asyncjobd("unit").stderr == (f"Warning: this unit would not start: {why}\n" if why else "")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--now",), "--now goes with --install"),
        (("--install", "--remove"), "--install and --remove exclude each other"),
        (("../blue",), "'../blue': expected at most 64 letters, digits and _.-, such as blue"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: tuple[str, ...], told: str) -> None:
    ran = asyncjobd("unit", *options)
    assert (ran.returncode, told in ran.stderr) == (2, True), ran.stderr


@pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="it would set up a service")
@pytest.mark.parametrize("option", ["--install", "--remove"])
def test_machine_without_systemd_is_left_alone(option: str) -> None:
    ran = asyncjobd("unit", option)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "systemd does not run on this machine" in ran.stderr


def test_unit_that_somebody_changed_is_known() -> None:
    text = Unit(None, is_web=False).marked_text()
    assert is_unchanged(text)
    for changed in (text + "\n", text.replace("WatchdogSec=30", "WatchdogSec=60"), text.split("\n", 2)[2]):
        assert not is_unchanged(changed)


def test_path_that_a_unit_cannot_name_is_refused(tmp_path: Path) -> None:
    venv = tmp_path / "my venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (venv / "bin" / "asyncjobd").touch()
    (site,) = venv.glob("lib/*/site-packages")
    (site / "here.pth").write_text("\n".join(path for path in sys.path if path))
    ran = subprocess.run([venv / "bin/python", "-m", "asyncjobd", "unit"], capture_output=True, text=True)
    assert (
        f"Error: {venv}/bin/asyncjobd: a unit can name paths of letters, digits and _./+@- only" in ran.stderr
    )


@pytest.mark.parametrize(("folder", "setting"), [("/home", "ProtectHome="), ("/tmp", "PrivateTmp=")])
def test_folders_that_the_sandbox_hides_are_known(folder: str, setting: str) -> None:
    path = Path(folder, "venv", "bin", "asyncjobd")
    assert unreadable([path]) == f"{path} is below {folder}, which the unit's {setting} hides"
    assert f"{setting}yes" in Unit(None, is_web=False).text()
    assert f"{setting}yes" in Unit(None, is_web=True).text()
