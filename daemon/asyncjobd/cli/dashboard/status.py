"""`asyncjobd status`."""

import click

from asyncjobd.cli.environment import Environment, pass_environment
from asyncjobd.cli.group import Command, json_option
from asyncjobd.cli.overview import look
from asyncjobd.cli.printing import print_json


@click.command(cls=Command)
@json_option
@pass_environment
def status(environment: Environment, as_json: bool) -> None:
    """Show what is wrong, the daemons, the job names with why their jobs wait, what runs and what failed last."""
    overview = environment.run(look(environment))
    if as_json:
        print_json(overview.as_dict())
        return
    from asyncjobd.cli.dashboard.page import print_page

    print_page(overview)
