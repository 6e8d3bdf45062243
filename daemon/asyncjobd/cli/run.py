"""`asyncjobd run` and `asyncjobd migrate`."""

import asyncio
import gc
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import NoReturn

import asyncpg
import click
import structlog

from asyncjobd.actions.catalog import load_actions
from asyncjobd.cli.environment import Environment, Failure, database_failure, open_database
from asyncjobd.config.model import Config
from asyncjobd.engine.daemon import Daemon
from asyncjobd.engine.fleet.heartbeat import WrittenOff
from asyncjobd.forks import isolate_children
from asyncjobd.observability.logging import setup as logs
from asyncjobd.observability.systemd import notify as systemd
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.embedded import EmbeddedError
from asyncjobd.postgres.link import BackOff
from asyncjobd.postgres.outage import FAILURES, is_outage
from asyncjobd.postgres.schema.migrate import check_schema, plan
from asyncjobd.postgres.schema.migrate import migrate as apply_migrations

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
PATIENCE_OF_SYSTEMD = 30_000_000  # microseconds until the next try at the latest

log = structlog.get_logger("asyncjobd.daemon")


@click.command()
@click.pass_obj
def run(environment: Environment) -> None:
    """Run the daemon until SIGTERM or SIGINT; a second one hurries it."""
    config = environment.config
    logs.configure(config.logging)
    isolate_children(*STOP_SIGNALS, signal.SIGHUP)
    gc.set_threshold(
        20_000, 20, 50
    )  # a job leaves no cycles; looking for them so often cost a tenth of its time
    threads = ThreadPoolExecutor(config.daemon.threads, thread_name_prefix="handler")
    with suppress(asyncio.CancelledError):  # by a signal before it was ready
        environment.run(_run(environment, threads))


async def _run(environment: Environment, threads: ThreadPoolExecutor) -> None:
    failure = None
    config = environment.config
    database = Database(config.database, source=environment.source)
    loop = asyncio.get_running_loop()
    starting = asyncio.current_task()
    assert starting is not None
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, starting.cancel)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)  # what starts reads the newest anyway
    try:
        await _reach(database, config)
        daemon = Daemon(config, database, load_actions(config, threads), threads)
        await daemon.register()
        gc.freeze()  # what is there by now stays, and looking through it would take 60 ms each time
        loop.add_signal_handler(signal.SIGHUP, daemon.reload)
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, daemon.stop)
        try:
            await daemon.run()
        except WrittenOff as error:
            failure = Failure(str(error))
        except BaseExceptionGroup as group:
            for cause in group.exceptions:
                log.critical("daemon.broken", exc_info=cause)
            failure = Failure(f"the daemon broke: {group.exceptions[0]}")
    finally:
        await database.close()
    if daemon.is_running:  # a thread that cannot be stopped must not keep the process
        _leave(failure)
    if failure is not None:
        raise failure


def _leave(failure: Failure | None) -> NoReturn:
    if failure is not None:
        failure.show()
    logs.close()
    os._exit(0 if failure is None else failure.exit_code)


async def _prepare(database: Database) -> None:
    if database.embedded is not None:
        for migration in await apply_migrations(database):
            log.info("schema.migrated", version=migration.version, name=migration.name)
        log.info(
            "database.embedded", psql=database.psql, dsn=database.address, data=str(database.embedded.data)
        )
    await check_schema(
        database, is_engine=True, warned=lambda text: log.warning("database.unfit", reason=text)
    )


async def _reach(database: Database, config: Config) -> None:
    """A database that is not there yet is waited for; one that refuses us is an error."""
    back_off = BackOff()
    while True:
        try:
            await _prepare(database)
            return
        except EmbeddedError as error:
            raise database_failure(error, config) from error
        except FAILURES as error:
            if not is_outage(error):
                raise database_failure(error, config) from error
            reason = str(error) or type(error).__name__
            log.error("database.unreachable", database=database.address, reason=reason)
            systemd.notify(
                f"EXTEND_TIMEOUT_USEC={PATIENCE_OF_SYSTEMD}", f"STATUS=waiting for the database: {reason}"
            )
        await back_off.wait()


@click.command()
@click.option("--plan", "is_plan", is_flag=True, help="Print the SQL that would be run, and change nothing.")
@click.pass_obj
def migrate(environment: Environment, is_plan: bool) -> None:
    """Create the schema in the database, or bring it up to date."""
    environment.run(_print_plan(environment) if is_plan else _migrate(environment))


@contextmanager
def _for_owners() -> Iterator[None]:
    try:
        yield
    except asyncpg.InsufficientPrivilegeError as error:
        raise Failure(
            f"{error}: migrate as the owner of the schema, or of the database where it is yet to be"
        ) from error


async def _print_plan(environment: Environment) -> None:
    async with environment.any_database() as database:
        connection = await database.connect("plan")
        try:
            with _for_owners():
                ground, pending = await plan(connection, database)
        finally:
            connection.terminate()
        if not pending:
            click.echo(f"-- {_up_to_date(database)}")
            return
        titled = [f"-- migration {each.version:04} {each.name}\n{each.script}" for each in pending]
        beginning = "begin;\nset local search_path = pg_catalog, pg_temp;"
        click.echo(database.sql("\n".join([beginning, *filter(None, [ground]), *titled, "commit;"])))


async def _migrate(environment: Environment) -> None:
    async with open_database(environment.config.database) as database:
        with _for_owners():
            applied = await apply_migrations(
                database, warned=lambda text: click.echo(f"Warning: {text}", err=True)
            )
        for migration in applied:
            click.echo(f"applied {migration.version:04} {migration.name}")
        if not applied:
            click.echo(_up_to_date(database))


def _up_to_date(database: Database) -> str:
    return f"the schema {database.schema!r} is up to date"
