"""Folders that every user of the machine reaches."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def open_folder() -> Iterator[Path]:
    """A folder that other users may look into, as those of pytest are its user's own."""
    with tempfile.TemporaryDirectory(prefix="asyncjobd-") as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path
