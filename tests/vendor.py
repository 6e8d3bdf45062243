"""What is vendored is what npm has: `python -m tests.vendor` packs it anew and compares, `--take` takes it over."""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "daemon" / "asyncjobd" / "web" / "static" / "vendor"


def main(*, takes: bool) -> int:
    """Compare each package of vendor.toml, and return the exit code."""
    wrong = [each for name, package in listed().items() for each in differences(name, package, takes=takes)]
    print("\n".join(wrong) or f"{', '.join(listed())}: as npm has it")
    return 1 if wrong else 0


def listed() -> dict[str, dict[str, str]]:
    """Return the packages of vendor.toml by their names."""
    packages: dict[str, dict[str, str]] = tomllib.loads((FOLDER / "vendor.toml").read_text())
    return packages


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def differences(name: str, package: dict[str, str], *, takes: bool) -> list[str]:
    """Return how what npm packs differs from what vendor.toml and the folder have."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"{name}@{package['version']}", "--pack-destination", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (tarball,) = Path(folder).glob("*.tgz")
        packed = tarball.read_bytes()
        with tarfile.open(tarball) as archive:
            member = archive.extractfile(package["path"])
            assert member is not None
            content = member.read()
    file = FOLDER / package["file"]
    if takes:
        file.write_bytes(content)
    found = {"tarball_sha256": digest(packed), "sha256": digest(content)}
    wrong = [
        f"{name}: {key} is {value}, and not {package[key]}"
        for key, value in found.items()
        if value != package[key]
    ]
    return wrong + ([] if file.read_bytes() == content else [f"{name}: {file.name} is another file"])


if __name__ == "__main__":
    sys.exit(main(takes="--take" in sys.argv))
