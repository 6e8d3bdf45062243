"""Fixtures of the command line."""

from pathlib import Path

import pytest

from tests.cli.commands import config_of


@pytest.fixture
def config(dsn: str, tmp_path: Path) -> Path:
    """A configuration of the test's database, with the actions of handlers_for_commands."""
    return config_of(tmp_path, dsn)
