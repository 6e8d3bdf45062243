"""asyncjobd's own wheel, built from this tree, and those of all that it needs."""

import os
import subprocess
import sys
from pathlib import Path

from tests.docs.snippets import named

ROOT = Path(__file__).parents[2]


def build(folder: Path, *, source: Path = ROOT, kind: str = "wheel") -> Path:
    """Build a wheel or an sdist into a folder, without the network."""
    command: list[str | Path] = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", folder]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (built,) = folder.glob("asyncjobd-*.whl" if kind == "wheel" else "asyncjobd-*.tar.gz")
    return built


def collect(folder: Path) -> None:
    """Collect the wheels in a folder, by the commands of howto/air_gapped; pip's cache has most of them."""
    folder.mkdir()
    pip = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PIP_FIND_LINKS": str(build(folder / "dist").parent),
        "PIP_CONSTRAINT": str(ROOT / ".ci" / "constraints.txt"),
    }
    script = named("air-gapped-download").text
    subprocess.run(["bash", "-euc", script], cwd=folder, check=True, env=os.environ | pip)
