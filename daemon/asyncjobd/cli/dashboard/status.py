"""`asyncjobd status`."""

import click

from asyncjobd.cli.dashboard.overview import Overview
from asyncjobd.cli.dashboard.screen import print_once
from asyncjobd.cli.environment import Environment
from asyncjobd.cli.printing import json_option, print_json


@click.command()
@json_option
@click.pass_obj
def status(environment: Environment, as_json: bool) -> None:
    """Show the daemons, every job name with what its jobs are at and why they wait, what runs and what failed last."""
    overview = environment.run(look(environment))
    if as_json:
        print_json(overview.as_dict())
    else:
        print_once(overview)


async def look(environment: Environment) -> Overview:
    async with environment.observer() as observer:
        return await observer.look()
