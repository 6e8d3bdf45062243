"""`asyncjobd logs` shows the journal, and says where else a log may be."""

import os
from pathlib import Path

import pytest

from tests.support.daemon import asyncjobd


@pytest.fixture
def journal(tmp_path: Path) -> str:
    """A $PATH whose journalctl prints its arguments for job 5, and has nothing else."""
    program = tmp_path / "journalctl"
    program.write_text(
        '#!/bin/sh\ncase "$*" in\n*=5) echo "$@" ;;\n*--quiet*) ;;\n*) echo "No journal files were found." >&2 ;;\nesac\n'
    )
    program.chmod(0o755)
    return f"{tmp_path}:{os.environ['PATH']}"


def test_journal_is_shown(journal: str) -> None:
    assert (
        "--output=short-iso-precise --no-pager ASYNCJOBD_JOB_ID=5"
        in asyncjobd("logs", "5", PATH=journal).stdout
    )
    assert "--output=json --quiet" in asyncjobd("logs", "5", "--json", PATH=journal).stdout


def test_nothing_to_show_is_a_failure_that_says_where_to_look(journal: str) -> None:
    """journalctl says "No entries" and exits 0, also where no daemon has ever logged to it."""
    shown = asyncjobd("logs", "7", PATH=journal)
    assert (shown.returncode, shown.stdout) == (1, "")
    assert "the journal of this machine has nothing of job 7" in shown.stderr
    assert "a daemon in a terminal or a container logs to its standard output" in shown.stderr
    assert "No journal files were found." in shown.stderr


def test_machine_without_a_journal_is_said(tmp_path: Path) -> None:
    shown = asyncjobd("logs", "7", PATH=str(tmp_path))
    assert shown.returncode == 1
    assert "there is no journalctl on this machine: a daemon in a terminal" in shown.stderr
