"""`asyncjobd logs`."""

import os
import shutil
from typing import NoReturn

import click

from asyncjobd.cli.environment import Failure


@click.command()
@click.argument("job_id", type=int)
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes.")
@click.option("--json", "as_json", is_flag=True, help="Print each entry with its fields as a line of JSON.")
def logs(job_id: int, follow: bool, as_json: bool) -> NoReturn:
    """Show what was logged of a job, and by its handler, on this machine: what systemd's journal has of it."""
    journalctl = shutil.which("journalctl")
    if journalctl is None:
        raise Failure("there is no journalctl on this machine: search the daemon's own log for the job's id")
    options = ["--follow"] if follow else ["--no-pager"]
    # without --quiet people are told that there is nothing, or that they may not see it
    form = ["--output=json", "--quiet"] if as_json else ["--output=short-iso-precise"]
    os.execv(journalctl, ["journalctl", *form, *options, f"ASYNCJOBD_JOB_ID={job_id}"])  # noqa: S606
