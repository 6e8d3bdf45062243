"""`.ci/tests` runs failed tests once more, alone."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "tests"

pytestmark = pytest.mark.skipif(
    not SCRIPT.exists(), reason="the checks are not part of a source distribution"
)

TESTS = """
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range({flaky}))
def test_flaky(number):
    seen = Path(f"seen-{{number}}")
    is_first = not seen.exists()
    seen.touch()
    assert not is_first, f"the first run of {{number}}"

def test_broken():
    assert not {is_broken}
"""


PROGRAM = f"""#!/bin/sh
export PYTEST_DISABLE_PLUGIN_AUTOLOAD=1
exec {sys.executable} -m pytest -p xdist.plugin -p no:cacheprovider "$@"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    program = tmp_path / ".venv" / "bin" / "pytest"
    program.parent.mkdir(parents=True)
    program.write_text(PROGRAM)
    program.chmod(0o755)
    return tmp_path


def run(
    project: Path, *options: str, flaky: int = 0, is_broken: bool = False, setup: str = "true"
) -> subprocess.CompletedProcess[str]:
    (project / "test_it.py").write_text(TESTS.format(flaky=flaky, is_broken=is_broken))
    command = f"{setup} && .venv/bin/pytest -q --basetemp={project / 'base'}"
    return subprocess.run(
        [SCRIPT, command, *options], capture_output=True, text=True, cwd=project, timeout=100
    )


def test_tests_that_pass_run_once(project: Path) -> None:
    ran = run(project)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "once more" not in ran.stdout


def test_flaky_tests_are_named_with_their_first_failure(project: Path) -> None:
    ran = run(project, flaky=2)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for number in range(2):
        assert f"FLAKY test_it.py::test_flaky[{number}]\n" in ran.stdout
        assert (
            f"the first run of {number}" in ran.stdout.partition(f"FLAKY test_it.py::test_flaky[{number}]")[2]
        )


def test_more_than_three_flaky_tests_fail(project: Path) -> None:
    ran = run(project, flaky=4)
    assert ran.returncode == 1
    assert "FLAKY" not in ran.stdout


def test_test_that_fails_twice_fails(project: Path) -> None:
    ran = run(project, flaky=1, is_broken=True)
    assert ran.returncode == 1
    assert "FLAKY test_it.py::test_broken" not in ran.stdout


def test_options_are_given_to_both_runs(project: Path) -> None:
    ran = run(project, "-k", "broken", flaky=4)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_command_that_fails_before_its_tests_fails(project: Path) -> None:
    ran = run(project, setup="false")
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr


def test_run_that_cannot_start_is_not_run_again(project: Path) -> None:
    ran = run(project, "--no-such-option")
    assert ran.returncode == 4
    assert "once more" not in ran.stdout
