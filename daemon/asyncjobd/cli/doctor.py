"""`asyncjobd doctor`."""

from collections import Counter
from collections.abc import Sequence

import click

from asyncjobd.cli.environment import Environment, pass_environment
from asyncjobd.cli.failures import Failure, database_failure
from asyncjobd.cli.group import Command, json_option
from asyncjobd.cli.printing import print_json, width, wrapped
from asyncjobd.monitoring.doctor.examination import FAILURES, examine
from asyncjobd.monitoring.doctor.finding import Finding, Level
from asyncjobd.monitoring.units import one_line, plural

COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "red"}
WORST_FIRST = (Level.PROBLEM, Level.WARNING, Level.OK)
INDENT = 21  # columns before what was seen
UNREACHABLE = {  # by how the SQLSTATE begins: what to do
    "53300": "close sessions that idle (pg_stat_activity), or raise max_connections, or the role's or database's limit",
    "28": "see the role, its password (in the dsn or a passfile) and the server's pg_hba.conf",
    "3D": "create the database, or name another one in [database] dsn",
    "42501": "grant connect on the database to the role",
    "": "see that it runs, and that [database] dsn is right",
}


@click.command(cls=Command)
@click.option("--all", "is_all", is_flag=True, help="Print also what is as it should be.")
@json_option
@pass_environment
def doctor(environment: Environment, is_all: bool, as_json: bool) -> None:
    """Check the database, its settings, the schema, the daemons and the jobs, and say what to do.

    Exit codes: 0 nothing worse than a warning, 1 a problem, 69 no database, 78 wrong configuration.
    """
    findings, exit_code = environment.run(_examine(environment))
    if as_json:
        print_json(findings)
    else:
        _print(findings, is_all)
    click.get_current_context().exit(exit_code)


async def _examine(environment: Environment) -> tuple[list[Finding], int]:
    """Return the findings, and the command's exit code. Raise Failure for a wrong configuration."""
    configured = environment.configured_names
    try:
        async with environment.any_database() as database:
            findings = await examine(database, configured, environment.config_path)
    except Failure as failure:
        return [_unreachable(failure, failure)], failure.exit_code
    except FAILURES as error:
        reason = database_failure(error, environment.database_config)
        return [_unreachable(reason, error)], reason.exit_code
    return findings, int(any(finding.level is Level.PROBLEM for finding in findings))


def _unreachable(failure: Failure, error: BaseException) -> Finding:
    if isinstance(error, Failure):  # which says what to do
        seen, _, advice = failure.message.partition(": ")
        return Finding.problem("server", seen, advice, topic="daemon_does_not_start")
    state = getattr(error, "sqlstate", None) or ""
    advice = next(advice for start, advice in UNREACHABLE.items() if state.startswith(start))
    return Finding.problem("server", failure.message, advice, topic="database_is_away")


def _print(findings: Sequence[Finding], is_all: bool) -> None:
    """Print the findings, the worst first; what is as it should be in one line, unless all is asked for."""
    counted = Counter(finding.level for finding in findings)
    for finding in sorted(findings, key=lambda finding: WORST_FIRST.index(finding.level)):
        if is_all or finding.level is not Level.OK:
            _print_finding(finding)
    problems, warnings, good = (counted[level] for level in WORST_FIRST)
    if good and not is_all:
        click.echo(f"{_level(Level.OK)} {plural(good, 'check')} ok (--all shows them)")
    click.echo(f"{plural(problems, 'problem')}, {plural(warnings, 'warning')}, {good} ok")


def _print_finding(finding: Finding) -> None:
    columns = width()
    seen = wrapped(one_line(finding.seen), columns, INDENT)
    click.echo(f"{_level(finding.level)} {finding.about:<11} {seen}")
    if finding.advice:
        click.echo(f"{' ' * INDENT}-> {wrapped(one_line(finding.advice), columns, INDENT + 3)}")
    if finding.topic:
        click.echo(f"{' ' * INDENT}-> asyncjobd help {finding.topic}")


def _level(level: Level) -> str:
    return click.style(f"{level:<8}", fg=COLOURS[level])
