"""`asyncjobd status`."""

import click

from asyncjobd.cli.environment import Environment, pass_environment
from asyncjobd.cli.group import Command, json_option
from asyncjobd.cli.printing import print_json
from asyncjobd.monitoring.overview import Overview, look


@click.command(cls=Command)
@json_option
@pass_environment
def status(environment: Environment, as_json: bool) -> None:
    """Show what is wrong, the daemons, the job names with why their jobs wait, what runs and what failed last."""
    overview = environment.run(look_at(environment))
    if as_json:
        print_json(overview.as_dict())
        return
    from asyncjobd.cli.dashboard.page import print_page

    print_page(overview)


async def look_at(environment: Environment) -> Overview:
    """Return the state of the configured database."""
    async with environment.database() as database:
        return await look(database)
