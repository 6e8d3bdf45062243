"""The benchmarks still run: each with a few jobs, without peers."""

import re
import subprocess
import sys

import pytest

from tests.support.daemon import ROOT


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "module",
    [
        "compare",
        "fan_in",
        "history",
        "inserts",
        "instructions",
        "limits",
        "main_job",
        "outage",
        "pages",
        "row_life",
        "schedules",
        "stalled_log",
    ],
)
def test_benchmark_still_runs(module: str) -> None:
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", "--check"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert re.search(r"^\|-.*\n\| ", ran.stdout, re.MULTILINE), ran.stdout  # a table with a row
