"""The schema that another tool has made by `migrate --plan` is the one that `migrate` makes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.schema.drift import drift
from tests.conftest import NewDatabase
from tests.contrib.libraries import url
from tests.docs.snippets import ROOT, named
from tests.support.daemon import asyncjobd

pytestmark = pytest.mark.anyio

ENV = """
from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine(context.config.get_main_option("url"), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


@pytest.fixture
def dsn(new_empty_database: NewDatabase) -> str:
    return new_empty_database()


def plan(dsn: str) -> str:
    """Return the SQL without the lines that begin and commit, as the page says."""
    printed = asyncjobd("--dsn", dsn, "migrate", "--plan").stdout.strip()
    assert printed.startswith("begin;\n")
    assert printed.endswith("\ncommit;")
    return "\n".join(printed.splitlines()[1:-1])


async def is_up_to_date(dsn: str) -> None:
    assert "is up to date" in asyncjobd("--dsn", dsn, "migrate").stdout
    database = Database(DatabaseConfig(dsn=dsn))
    connection = await database.connect("drift")
    assert await drift(connection, database) == []
    await connection.close()


async def test_psql_applies_the_plan(dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "V12__asyncjob.sql"
    file.write_text(asyncjobd("--dsn", dsn, "migrate", "--plan").stdout)
    subprocess.run(["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", str(file), dsn], check=True)
    await is_up_to_date(dsn)


async def test_alembic_applies_the_plan(dsn: str, tmp_path: Path) -> None:
    versions = tmp_path / "versions"
    versions.mkdir()
    (tmp_path / "env.py").write_text(ENV)
    (versions / "12_asyncjob.sql").write_text(plan(dsn))
    (versions / "12_asyncjob.py").write_text(named("alembic-revision").text)
    config = Config()
    config.set_main_option("script_location", str(tmp_path))
    config.set_main_option("path_separator", "os")
    config.set_main_option("url", url(dsn, "psycopg").replace("%", "%%"))
    command.upgrade(config, "head")
    await is_up_to_date(dsn)
    command.downgrade(config, "base")
    assert plan(dsn)


async def test_django_applies_the_plan(dsn: str, tmp_path: Path) -> None:
    app = tmp_path / "shop" / "migrations"
    app.mkdir(parents=True)
    for folder in (app, app.parent):
        (folder / "__init__.py").touch()
    (app / "0012_asyncjob.sql").write_text(plan(dsn))
    (app / "0012_asyncjob.py").write_text(named("django-migration").text)
    (tmp_path / "settings.py").write_text(
        "from tests.contrib.shop.settings import *\nINSTALLED_APPS += ['shop']\n"
    )
    path = os.pathsep.join([str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH", "")])
    ran = subprocess.run(
        [sys.executable, "-m", "django", "migrate", "shop", "-v0"], capture_output=True, text=True,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "settings", "DATABASE_URL": dsn, "PYTHONPATH": path},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    await is_up_to_date(dsn)
