"""The next version of asyncjobd, with one more migration."""

import os
import shutil
from pathlib import Path

import pytest

import asyncjobd as this_version
from asyncjobd.postgres.schema import drift as catalogue
from asyncjobd.postgres.schema.migration import migrations

NEXT = migrations()[-1].version + 1
NEXT_SQL = "alter table asyncjob.job add column note text;\n"


@pytest.fixture
def next_version(tmp_path: Path) -> dict[str, str]:
    """The environment in which the next version runs."""
    package = tmp_path / "next" / "asyncjobd"
    shutil.copytree(Path(this_version.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    append(package / "__init__.py", '__version__ = "next"\n')
    schema = package / "postgres" / "schema"
    append(schema / "migrations" / f"{NEXT:04}_note.sql", NEXT_SQL)
    append(schema / catalogue.FILE, "column asyncjob.job.note: text\n")
    return {"PYTHONPATH": f"{package.parent}:{os.environ.get('PYTHONPATH', '')}"}


def append(file: Path, text: str) -> None:
    with file.open("a") as end:
        end.write(text)
