"""`asyncjobd status`."""

from typing import Any

import click

from asyncjobd.cli.environment import Environment, json_option, print_json, print_table


@click.command()
@json_option
@click.pass_obj
def status(environment: Environment, as_json: bool) -> None:
    """Show the daemons, and every job name with the number of its jobs by status and why they wait."""
    daemons, actions = environment.run(_status(environment))
    if as_json:
        print_json({"daemons": daemons, "actions": actions})
        return
    print_table(daemons, title="daemons")
    print_table([{key: value for key, value in row.items() if key != "handler"} for row in actions], title="actions")


async def _status(environment: Environment) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    async with environment.client() as client:
        daemons = [dict(row) for row in await client.fetch("list_daemons")]
        actions = [dict(row) for row in await client.fetch("list_actions", None)]
    for row in actions:
        if not (row["queued"] or row["ready"] or row["held"]):
            row["waits_because"] = None
    return daemons, actions
