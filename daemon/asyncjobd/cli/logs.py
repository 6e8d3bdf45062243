"""`asyncjobd logs`."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import click

from asyncjobd.cli.group import Command, json_option
from asyncjobd.cli.job_id import JOB_ID

JOURNAL = Path("/run/systemd/journal/socket")
ELSEWHERE = (
    "a daemon in a terminal or a container logs to its standard output, and one on another machine to the journal "
    "there; `asyncjobd show {job_id}` says which daemon has a job that runs, and what the job came to"
)


@click.command(cls=Command)
@click.argument("job_id", type=JOB_ID)
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes.")
@json_option
def logs(job_id: int, follow: bool, as_json: bool) -> NoReturn:
    """Show what was logged of a job, and by its handler, in systemd's journal of this machine.

    Exit code 1: there is nothing of it here.
    """
    journalctl = shutil.which("journalctl")
    elsewhere = ELSEWHERE.format(job_id=job_id)
    if journalctl is None:
        raise click.ClickException(f"there is no journalctl on this machine: {elsewhere}")
    field = f"ASYNCJOBD_JOB_ID={job_id}"
    if follow and not JOURNAL.exists():
        raise click.ClickException(f"systemd's journal does not run on this machine: {elsewhere}")
    if not follow:
        found = subprocess.run([journalctl, "--quiet", "--lines=1", field], capture_output=True, text=True)
        if not found.stdout.strip():
            # without --quiet it says who may see the journal
            told = subprocess.run([journalctl, "--lines=1", field], capture_output=True, text=True).stderr
            hint = " ".join(told.split())
            raise click.ClickException(
                f"the journal of this machine has nothing of job {job_id}: {elsewhere}"
                + (f" ({hint})" if hint else "")
            )
    options = ["--follow"] if follow else ["--no-pager"]
    form = ["--output=json", "--quiet"] if as_json else ["--output=short-iso-precise"]
    os.execv(journalctl, ["journalctl", *form, *options, field])  # noqa: S606
