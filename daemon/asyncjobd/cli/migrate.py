"""`asyncjobd migrate`."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import click

from asyncjobd.cli.environment import Environment, open_database, pass_environment
from asyncjobd.cli.failures import Failure
from asyncjobd.cli.group import Command
from asyncjobd.cli.streams import say
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.schema.migrate import migrate as apply_migrations
from asyncjobd.postgres.schema.migrate import plan

# Names are read, and functions are stored, as in the session of `migrate`.
BEGINNING = """begin;
set local search_path = pg_catalog, pg_temp;
set local quote_all_identifiers = off;"""
END = """set local search_path to default;  -- for what a tool does in the same transaction
set local quote_all_identifiers to default;
commit;"""


@click.command(cls=Command)
@click.option("--plan", "is_plan", is_flag=True, help="Print the SQL that would be run, and change nothing.")
@pass_environment
def migrate(environment: Environment, is_plan: bool) -> None:
    """Create the schema in the database, or bring it up to date."""
    click.echo(environment.run(_planned(environment) if is_plan else _migrate(environment)))


@contextmanager
def _for_owners() -> Iterator[None]:
    """Raise Failure, which says who may migrate, where the role may not."""
    try:
        yield
    except asyncpg.InsufficientPrivilegeError as error:
        raise Failure(
            f"{error}: migrate as the owner of the schema, or of the database where it is yet to be"
        ) from error


async def _planned(environment: Environment) -> str:
    """Return the SQL that would be run."""
    async with environment.any_database() as database:
        connection = await database.connect("plan")
        try:
            with _for_owners():
                ground, pending = await plan(connection, database)
        finally:
            connection.terminate()
        if not pending:
            return f"-- {_up_to_date(database)}"
        titled = [f"-- migration {each.version:04} {each.name}\n{each.script}" for each in pending]
        return database.sql("\n".join([BEGINNING, *filter(None, [ground]), *titled, END]))


async def _migrate(environment: Environment) -> str:
    """Migrate, and return what was applied."""
    async with open_database(environment.database_config) as database:
        with _for_owners():
            applied = await apply_migrations(database, warned=lambda text: say(f"Warning: {text}", err=True))
        lines = [f"applied {migration.version:04} {migration.name}" for migration in applied]
        return "\n".join(lines or [_up_to_date(database)])


def _up_to_date(database: Database) -> str:
    return f"the schema {database.schema!r} is up to date"
