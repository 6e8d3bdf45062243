"""What is in the wheel and in the sdist; tests/systemd installs the wheel alone, and runs it."""

import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from asyncjobd import __version__
from tests.docs.snippets import README, ROOT, named
from tests.packaging import generated
from tests.support.wheels import build

DATA = f"asyncjobd-{__version__}.data/data/share"
EXPECTED = {
    "asyncjobd/config.example.toml",
    "asyncjobd/share/config.schema.json",
    "asyncjobd/share/systemd/asyncjobd.service",
    "asyncjobd/share/systemd/asyncjobd-web.service",
    f"{DATA}/asyncjobd/grafana-dashboard.json",
    f"{DATA}/asyncjobd/socket-only.conf",
    f"{DATA}/bash-completion/completions/asyncjobd",
    f"{DATA}/zsh/site-functions/_asyncjobd",
    f"{DATA}/fish/vendor_completions.d/asyncjobd.fish",
}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist of this tree."""
    folder = tmp_path_factory.mktemp("dist")
    build(folder)
    build(folder, kind="sdist")
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (wheel,) = dist.glob("*.whl")
    return wheel


def test_wheel_has_what_an_installation_needs(wheel: Path) -> None:
    names = set(ZipFile(wheel).namelist())
    assert names >= EXPECTED
    of_units = {path.name for path in (ROOT / "systemd").iterdir()}
    assert of_units <= {Path(name).name for name in names}
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests")]


def test_version_is_the_same_everywhere(wheel: Path) -> None:
    assert wheel.name == f"asyncjobd-{__version__}-py3-none-any.whl"
    assert f"\n## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_nothing_of_the_wheel_is_loaded_without_being_asked_for(wheel: Path) -> None:
    """An entry point of pytest, say, would be loaded in every project of an environment."""
    archive = ZipFile(wheel)
    (entry_points,) = [name for name in archive.namelist() if name.endswith("/entry_points.txt")]
    assert archive.read(entry_points).decode() == "[console_scripts]\nasyncjobd = asyncjobd.cli:main\n"
    assert not [name for name in archive.namelist() if name.endswith(".pth")]


def test_sdist_builds_the_same_wheel(dist: Path, wheel: Path, tmp_path: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    assert build(tmp_path / "dist", source=source).read_bytes() == wheel.read_bytes()


def test_metadata_and_contents_are_as_indexes_want_them(dist: Path, wheel: Path) -> None:
    pytest.importorskip("twine", reason="needs the extra release")
    commands: list[list[str | Path]] = [
        ["twine", "check", "--strict", *dist.iterdir()],
        ["check_wheel_contents", wheel],
    ]
    for command in commands:
        checked = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_files_that_are_made_from_the_code_are_of_today() -> None:
    stale = [path.name for path, text in generated.files() if path.read_text() != text]
    assert stale == [], "python -m tests.packaging.generated renews them"


def test_readme_installs_the_service_as_the_documentation_does() -> None:
    assert named("systemd-install").text in README.read_text()
