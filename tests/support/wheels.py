"""Wheels: asyncjobd's own, built from this tree, and those of the packages that it needs."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def build(folder: Path, *, source: Path = ROOT, kind: str = "wheel") -> Path:
    """Build a wheel or an sdist into a folder, without the network."""
    command: list[str | Path] = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", folder]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (built,) = folder.glob("asyncjobd-*.whl" if kind == "wheel" else "asyncjobd-*.tar.gz")
    return built


def download(folder: Path, *extras: str) -> None:
    """Download what asyncjobd and its extras need; pip's cache has most of it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [
        *project["dependencies"],
        *(each for extra in extras for each in project["optional-dependencies"][extra]),
    ]
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "-c",
            ROOT / ".ci/constraints.txt",
            "-d",
            folder,
            *needed,
        ],
        check=True,
    )
