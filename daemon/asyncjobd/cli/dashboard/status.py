"""`asyncjobd status`."""

from datetime import datetime

import click

from asyncjobd.cli.environment import Environment, pass_environment
from asyncjobd.cli.group import Command, json_option
from asyncjobd.cli.option_values import since_option
from asyncjobd.cli.printing import print_json
from asyncjobd.monitoring.health import troubles
from asyncjobd.monitoring.overview import Overview, look


@click.command(cls=Command)
@since_option
@json_option
@pass_environment
def status(environment: Environment, since: datetime | None, as_json: bool) -> None:
    """Show what is wrong, the daemons, the job names with why their jobs wait, what runs and what failed last.

    With --since, rates and times are those since then, from the history.
    """
    overview = environment.run(look_at(environment, since))
    if as_json:
        print_json(overview.as_dict() | {"troubles": [trouble._asdict() for trouble in troubles(overview)]})
        return
    from asyncjobd.cli.dashboard.page import print_page

    print_page(overview)


async def look_at(environment: Environment, since: datetime | None = None) -> Overview:
    """Return the state of the configured database, with what daemons did since a time, by default lately."""
    async with environment.database() as database:
        return await look(database, since)
