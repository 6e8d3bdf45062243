"""Runs Spin on a model: translates it to C, compiles that, runs it, and reads what it has found."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

FOLDER = Path(__file__).parent
TOOLS = {"spin": "spin", "cc": "gcc libc6-dev", "tcc": "tcc"}  # and the packages that have them
MAX_DEPTH = 200_000  # steps of one run of the model
MEMORY = 4_000  # MB

# The partial order reduction is not used: it is not known to be right for processes with `provided`.
OPTIONS = ("-w", "-DNOREDUCE", f"-DMEMLIM={MEMORY}")
SAFETY = ("-DSAFETY",)
LIVENESS = ("-DNFAIR=4",)  # room for as many processes as a model has, for weak fairness

_ERRORS = re.compile(r"^State-vector .*, errors: (\d+)$", re.MULTILINE)
_STATES = re.compile(r"^\s*([\d.e+]+) states, stored", re.MULTILINE)
_VIOLATION = re.compile(
    r"^pan:\d+: (?:assertion violated|acceptance cycle) .*\(at depth (\d+)\)$", re.MULTILINE
)
_INCOMPLETE = (
    "max search depth too small",
    "out of memory",
    "reached -DMEMLIM",
    "aborting",
    "Bit statespace",
)


class CheckError(Exception):
    """Raised when a model could not be checked, so that nobody knows whether it holds."""


@dataclass(frozen=True, slots=True)
class Findings:
    """The result of a complete search. `steps`: the length of the counterexample; None: the model holds."""

    states: int
    steps: int | None
    seconds: float

    @property
    def holds(self) -> bool:
        return self.steps is None


def check(
    model: str, macros: tuple[str, ...], *, optimize: bool = False, max_depth: int = MAX_DEPTH
) -> Findings:
    """Search all states of a model for one that breaks it. `optimize` pays for a search of many seconds.

    Raise CheckError if the search ends before it has found an error or seen all states.
    """
    for tool, packages in TOOLS.items():
        if shutil.which(tool) is None:
            raise CheckError(f"there is no {tool}: apt install {packages}")
    began_at = monotonic()
    is_liveness = "LIVENESS" in macros
    with TemporaryDirectory(prefix="asyncjobd-model-") as name:
        folder = Path(name)
        _run(folder, "spin", "-a", *(f"-D{macro}" for macro in macros), str(FOLDER / f"{model}.pml"))
        flags = LIVENESS if is_liveness else SAFETY
        compiler = ("cc", "-O2") if optimize else ("tcc",)  # which compiles forty times as fast
        _run(folder, *compiler, *OPTIONS, *flags, "-o", "pan", "pan.c")
        search = ("-a", "-f") if is_liveness else ("-E",)  # -E: a process that waits for ever is no error
        output = _run(folder, "./pan", *search, f"-m{max_depth}")
    return read_output(output, monotonic() - began_at)


def _run(folder: Path, *command: str) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    output = ran.stdout + ran.stderr
    if ran.returncode != 0 or "syntax error" in output:
        raise CheckError(f"{command[0]} failed: {output[-2000:]}")
    return output


def read_output(output: str, seconds: float) -> Findings:
    """Return what the checker has printed. Raise CheckError unless it is the whole answer."""
    if any(words in output for words in _INCOMPLETE):
        raise CheckError(f"the search is not complete: {output[-2000:]}")
    errors, states = _ERRORS.search(output), _STATES.search(output)
    if errors is None or states is None:
        raise CheckError(f"the search has no result: {output[-2000:]}")
    violation = _VIOLATION.search(output)
    if (violation is not None) != (errors[1] != "0"):
        raise CheckError(f"the search ended with another error: {output[-2000:]}")
    if violation is None and "Search not completed" in output:
        raise CheckError(f"the search is not complete: {output[-2000:]}")
    return Findings(int(float(states[1])), None if violation is None else int(violation[1]), seconds)
