"""`asyncjobd run`."""

import asyncio
import gc
import os
import signal
from contextlib import suppress
from typing import NoReturn

import click
import structlog
import uvloop

from asyncjobd.actions.catalog import load_actions
from asyncjobd.actions.threads import HandlerThreads
from asyncjobd.cli.environment import Environment, pass_environment
from asyncjobd.cli.failures import EXIT_CONFIG, Failure, database_failure
from asyncjobd.cli.group import Command
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.model import DatabaseConfig
from asyncjobd.engine.daemon import Daemon
from asyncjobd.engine.fleet.heartbeat import WrittenOff
from asyncjobd.forks import isolate_children
from asyncjobd.observability.logging import setup as logs
from asyncjobd.observability.logging.processors import load_processors
from asyncjobd.observability.systemd import notify as systemd
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.embedded import EmbeddedError
from asyncjobd.postgres.link import BackOff
from asyncjobd.postgres.outage import FAILURES, is_outage
from asyncjobd.postgres.schema.migrate import check_schema
from asyncjobd.postgres.schema.migrate import migrate as apply_migrations

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
LONGEST_TRY_MICROSECONDS = 30_000_000  # systemd waits so long for the next sign of life

log = structlog.get_logger("asyncjobd.daemon")


@click.command(cls=Command)
@pass_environment
def run(environment: Environment) -> None:
    """Run the daemon until SIGTERM or SIGINT; a second signal cancels running handlers at once."""
    config = environment.config
    environment.warn_of_unused_file()
    try:
        processors = load_processors(config)
    except ConfigError as error:
        raise Failure(str(error), EXIT_CONFIG) from error
    logs.configure(config.logging, processors)
    isolate_children(*STOP_SIGNALS, signal.SIGHUP)
    # Jobs leave no reference cycles, and looking for them as often as by default took a tenth of their time
    gc.set_threshold(20_000, 20, 50)
    threads = HandlerThreads(config.daemon.threads)
    with suppress(asyncio.CancelledError):  # by a signal before it was ready
        environment.run(_run(environment, threads), uvloop.run)


async def _run(environment: Environment, threads: HandlerThreads) -> None:
    failure = None
    config = environment.config
    database = Database(environment.database_config, source=environment.source)
    loop = asyncio.get_running_loop()
    starting = asyncio.current_task()
    assert starting is not None
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, starting.cancel)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)  # a daemon that starts reads the newest file anyway
    try:
        await _reach(database, config.database)
        daemon = Daemon(config, database, load_actions(config, threads), threads)
        await daemon.register()
        gc.freeze()  # these objects stay; each collection of them would take 60 ms
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
    """End the process at once, with what it has to say."""
    if failure is not None:
        failure.show()
    logs.close()
    os._exit(0 if failure is None else failure.exit_code)


async def _prepare(database: Database) -> None:
    """Bring the embedded server's schema up to date, and check any."""
    if database.embedded is not None:
        if applied := await apply_migrations(database):
            log.info("schema.migrated", version=applied[-1].version)
        log.info(
            "database.embedded", psql=database.psql, dsn=database.address, data=str(database.embedded.data)
        )
    await check_schema(
        database, is_engine=True, warned=lambda text: log.warning("database.unfit", reason=text)
    )


async def _reach(database: Database, config: DatabaseConfig) -> None:
    """Wait for a database that is not there yet. Raise Failure for one that refuses us."""
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
                f"EXTEND_TIMEOUT_USEC={LONGEST_TRY_MICROSECONDS}",
                f"STATUS=waiting for the database: {reason}",
            )
        await back_off.wait()
