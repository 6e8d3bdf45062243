"""`asyncjobd doctor`: looks at everything that can be wrong around the jobs, and says what to do."""

import click

from asyncjobd.cli.doctor.examination import FAILURES, examine
from asyncjobd.cli.doctor.finding import Finding, Level
from asyncjobd.cli.environment import Environment, Failure, database_failure
from asyncjobd.cli.printing import json_option, print_json
from asyncjobd.cli.units import one_line

COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "red"}


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
        return [_unreachable(failure)], failure.exit_code
    except FAILURES as error:
        reason = database_failure(error, config)
        return [_unreachable(reason)], reason.exit_code
    return findings, int(any(finding.level is Level.PROBLEM for finding in findings))


def _unreachable(failure: Failure) -> Finding:
    return Finding.problem("server", failure.message, "see that it runs, and that [database] dsn is right")
