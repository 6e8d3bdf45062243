"""The command `asyncjobd`."""

from pathlib import Path

import click

from asyncjobd import __version__
from asyncjobd.cli import streams
from asyncjobd.cli.actions import action
from asyncjobd.cli.config import config
from asyncjobd.cli.control import cancel, hold, release, run_now
from asyncjobd.cli.dashboard.status import status
from asyncjobd.cli.dashboard.top import top
from asyncjobd.cli.demo import demo
from asyncjobd.cli.doctor.command import doctor
from asyncjobd.cli.environment import Environment
from asyncjobd.cli.help import show_help
from asyncjobd.cli.jobs import enqueue, list_jobs, show
from asyncjobd.cli.logs import logs
from asyncjobd.cli.run import migrate, run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="asyncjobd")
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path, readable=False), envvar="ASYNCJOBD_CONFIG",
    help="The configuration file. Default: ~/.config/asyncjobd/config.toml, then /etc/asyncjobd/config.toml.",
)  # fmt: skip
@click.option("--dsn", envvar="ASYNCJOBD_DSN", help="The database, in place of the configuration's.")
@click.pass_context
def main(context: click.Context, config_path: Path | None, dsn: str | None) -> None:
    """Background jobs as rows in PostgreSQL, run by an asyncio daemon.

    Exit codes: 0 done, 1 it failed, 2 wrong usage, 69 no database, 78 wrong configuration.
    """
    streams.mend()
    context.obj = Environment(config_path, dsn)


for command in (
    run, demo, migrate, enqueue, list_jobs, show, logs, hold, release, run_now, cancel, status, top, doctor, action,
    config, show_help,
):  # fmt: skip
    main.add_command(command)
