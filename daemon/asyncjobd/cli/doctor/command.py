"""`asyncjobd doctor`: looks at everything that can be wrong around the jobs, and says what to do."""

import click

from asyncjobd.cli.doctor.examination import FAILURES, examine
from asyncjobd.cli.doctor.finding import Finding, Level
from asyncjobd.cli.environment import Environment, Failure, database_failure
from asyncjobd.cli.printing import json_option, print_json
from asyncjobd.cli.units import one_line

COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "red"}
UNREACHABLE = {  # by the SQLSTATE, or how it begins
    "53300": "close sessions that idle (pg_stat_activity), or raise max_connections, or the role's or database's limit",
    "28": "see the role, its password (in the dsn or a passfile) and the server's pg_hba.conf",
    "3D": "create the database, or name another one in [database] dsn",
    "42501": "grant connect on the database to the role",
    "": "see that it runs, and that [database] dsn is right",
}


@click.command()
@json_option
@click.pass_obj
def doctor(environment: Environment, as_json: bool) -> None:
    """Check the database, its settings, the schema, the daemons and the jobs, and say what to do.

    Exit codes: 0 nothing worse than a warning, 1 a problem, 69 no database, 78 wrong configuration.
    """
    findings, exit_code = environment.run(_examine(environment))
    if as_json:
        print_json(findings)
    else:
        for finding in findings:
            _print(finding)
    click.get_current_context().exit(exit_code)


def _print(finding: Finding) -> None:
    level = click.style(f"{finding.level:<8}", fg=COLOURS[finding.level])
    advice = f" -> {finding.advice}" if finding.advice else ""
    click.echo(f"{level} {finding.about:<11} {one_line(finding.seen + advice)}")


async def _examine(environment: Environment) -> tuple[list[Finding], int]:
    """The findings, and the command's exit code."""
    config = environment.config
    try:
        async with environment.any_database() as database:
            findings = await examine(database)
    except Failure as failure:
        return [_unreachable(failure, failure)], failure.exit_code
    except FAILURES as error:
        reason = database_failure(error, config)
        return [_unreachable(reason, error)], reason.exit_code
    return findings, int(any(finding.level is Level.PROBLEM for finding in findings))


def _unreachable(failure: Failure, error: BaseException) -> Finding:
    state = getattr(error, "sqlstate", None) or ""
    advice = next(advice for start, advice in UNREACHABLE.items() if state.startswith(start))
    return Finding.problem("server", failure.message, advice)
