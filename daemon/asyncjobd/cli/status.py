"""`asyncjobd status`."""

from typing import Any

import click

from asyncjobd.cli.environment import Environment, json_option, print_json, print_table
from asyncjobd.cli.overview import Overview


@click.command()
@json_option
@click.pass_obj
def status(environment: Environment, as_json: bool) -> None:
    """Show the daemons, every job name with what its jobs are at and why they wait, what runs and what failed last."""
    overview = environment.run(_look(environment))
    if as_json:
        print_json(overview.as_dict())
        return
    print_table([_without(row, "actions", "lease") for row in overview.daemons], title="daemons")
    print_table([_without(row, "handler", "repeated", "stopped") for row in overview.actions], title="actions")
    print_table(overview.running, title="running")
    print_table(overview.failures, title="failures, the latest first")


async def _look(environment: Environment) -> Overview:
    async with environment.observer() as observer:
        return await observer.look()


def _without(row: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in keys}
