"""The command `asyncjobd`."""

from pathlib import Path

import click

from asyncjobd import __version__
from asyncjobd.cli import streams
from asyncjobd.cli.group import Entry, LazyGroup, Options

SECTIONS = {
    "Start": [
        Entry("demo", "asyncjobd.cli.demo:demo", "Run every kind of job on real input, and end."),
        Entry("config", "asyncjobd.cli.config:config", "Make or check a configuration file."),
        Entry("action", "asyncjobd.cli.action:action", "Map job names to handlers."),
        Entry("migrate", "asyncjobd.cli.migrate:migrate", "Create or upgrade the schema in the database."),
        Entry("run", "asyncjobd.cli.run:run", "Run the daemon."),
    ],
    "Jobs": [
        Entry("enqueue", "asyncjobd.cli.enqueue:enqueue", "Insert a job."),
        Entry("list", "asyncjobd.cli.list_jobs:list_jobs", "List jobs, the newest first."),
        Entry("show", "asyncjobd.cli.show:show", "Show a job: its state, why it waits, its executions."),
        Entry("logs", "asyncjobd.cli.logs:logs", "Show what was logged of a job."),
        Entry("hold", "asyncjobd.cli.control:hold", "Put jobs on Hold; stop those that run."),
        Entry("release", "asyncjobd.cli.control:release", "Release jobs from Hold."),
        Entry("run-now", "asyncjobd.cli.control:run_now", "Run jobs now, ended ones again."),
        Entry("cancel", "asyncjobd.cli.control:cancel", "End jobs as Failed; stop those that run."),
        Entry("schedule", "asyncjobd.cli.schedule:schedule", "Insert jobs at the times of a calendar."),
    ],
    "Operation": [
        Entry(
            "status", "asyncjobd.cli.dashboard.status:status", "Show what is wrong, runs, waits and failed."
        ),
        Entry("top", "asyncjobd.cli.dashboard.top:top", "Watch the same live; control jobs by keys."),
        Entry("web", "asyncjobd.cli.web:web", "Serve the same as a web page."),
        Entry(
            "history",
            "asyncjobd.cli.history:history",
            "Show what has ended, how long it took, and what waited.",
        ),
        Entry("pause", "asyncjobd.cli.action_control:pause", "Start no job of an action for now."),
        Entry("resume", "asyncjobd.cli.action_control:resume", "End a pause."),
        Entry(
            "limit", "asyncjobd.cli.action_control:limit", "Limit how many jobs of an action run and start."
        ),
        Entry("drain", "asyncjobd.cli.drain:drain", "Let a daemon claim nothing more."),
        Entry(
            "unit",
            "asyncjobd.cli.unit.command:unit",
            "Print or set up the systemd unit of this installation.",
        ),
        Entry("doctor", "asyncjobd.cli.doctor:doctor", "Find what is wrong, and say what to do."),
        Entry("help", "asyncjobd.cli.help:show_help", "Show the documentation, page by page."),
    ],
}


@click.group(cls=LazyGroup, sections=SECTIONS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="asyncjobd")
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path, readable=False), envvar="ASYNCJOBD_CONFIG",
    metavar="FILE",
    help="The configuration file. Default: ~/.config/asyncjobd/config.toml, then /etc/asyncjobd/config.toml.",
)  # fmt: skip
@click.option("--dsn", envvar="ASYNCJOBD_DSN", help="The database, in place of the configuration's.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, where the command can.")
@click.pass_context
def main(context: click.Context, config_path: Path | None, dsn: str | None, as_json: bool) -> None:
    """Background jobs as rows in PostgreSQL, run by an asyncio daemon.

    --config, --dsn and --json may also follow the command.

    Exit codes: 0 done, 1 it failed, 2 wrong usage, 69 no database, 78 wrong configuration.
    """
    streams.repair()
    context.obj = Options(config_path, dsn, as_json)
