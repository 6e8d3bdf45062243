"""Plant bugs in a copy of the engine, one at a time, and see which world finds each: `python -m tests.simulation.planted`."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic

from tests.simulation.bug import Bug
from tests.simulation.bugs import BUGS

ROOT = Path(__file__).parents[2]
MOST_WORLDS = 40


def plant(bug: Bug, folder: Path) -> None:
    """Copy the package to the folder, with the bug.

    Raise ValueError if its place is not there once, and SyntaxError if no Python is left.
    """
    shutil.copytree(
        ROOT / "daemon" / "asyncjobd", folder / "asyncjobd", ignore=shutil.ignore_patterns("__pycache__")
    )
    file = folder / "asyncjobd" / bug.file
    text = file.read_text()
    if text.count(bug.old) != 1:
        raise ValueError(f"{bug.name}: {text.count(bug.old)} places in {bug.file} are as the bug needs one")
    planted = text.replace(bug.old, bug.new)
    if file.suffix == ".py":
        compile(planted, str(file), "exec")
    file.write_text(planted)


def find(bug: Bug, worlds: int, seed: int, lanes: int) -> tuple[str, float]:
    """Return what the first bad one of so many worlds says, and the seconds that it took; "" if none is bad.

    Raise RuntimeError if the worlds could not be run.
    """
    with tempfile.TemporaryDirectory() as name:
        plant(bug, Path(name))
        began = monotonic()
        command = [
            sys.executable,
            "-m",
            "tests.simulation",
            f"--worlds={worlds}",
            f"--seed={seed}",
            f"--lanes={lanes}",
        ]
        paths = os.pathsep.join([name, str(ROOT), str(ROOT / "handlers")])
        ended = subprocess.run(
            [*command, "--first"],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": paths},
            capture_output=True,
            text=True,
        )
        if ended.returncode not in {0, 1} or "Traceback" in ended.stderr:
            raise RuntimeError(f"the worlds did not run:\n{ended.stderr}")
        found = re.search(r"(seed \d+)[^\n]*\n  - ([^\n]*)", ended.stdout)
        return f"{found[1]}: {found[2]}" if found else "", monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=MOST_WORLDS, help="at most, for each bug")
    parser.add_argument("--seed", type=int, default=1, help="of the first world")
    parser.add_argument("--lanes", type=int, default=2, help="worlds at a time")
    parser.add_argument("bug", nargs="*", help="words of the bugs to plant; default: all")
    arguments = parser.parse_args()
    missed = 0
    for bug in BUGS:
        if all(word in bug.name for word in arguments.bug):
            said, seconds = find(bug, arguments.worlds, arguments.seed, arguments.lanes)
            missed += not said
            print(f"{seconds:6.1f} s  {bug.name}: {said or 'NOT FOUND'}", flush=True)
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
