"""A change of the public Python API that breaks callers is found before a release."""

import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("griffe", reason="needs the extra release")

from tests.packaging import api


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=ann", "-c", "user.email=ann@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_breaking_changes_of_public_names_alone_are_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "daemon" / "asyncjobd"
    shutil.copytree(
        api.ROOT / "daemon" / "asyncjobd", package, ignore=shutil.ignore_patterns("__pycache__", "docs")
    )
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    assert api.main([], tmp_path) == 0
    assert "there is no tag yet" in capsys.readouterr().out
    git(tmp_path, "tag", "v1")
    replace(package / "config" / "rates.py", "def check_rate(", "def check_the_rate(")
    replace(package / "client.py", "async def wait(", "async def wait_for(")
    assert api.main(["v1"], tmp_path) == 1
    assert "client.py" in (told := capsys.readouterr().out) and "wait" in told
    assert told.endswith("breaking changes since v1: 1\n")
