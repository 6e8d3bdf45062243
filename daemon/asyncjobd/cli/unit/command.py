"""`asyncjobd unit`."""

import re
from collections.abc import Iterator
from importlib.util import find_spec

import click

from asyncjobd.cli.failures import EXIT_CONFIG, Failure
from asyncjobd.cli.group import Command
from asyncjobd.cli.unit import installation, sandbox
from asyncjobd.cli.unit.template import Unit

_INSTANCE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


def _to_instance(_context: click.Context, _argument: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _INSTANCE.fullmatch(value):
        raise click.BadParameter(f"{value!r}: expected at most 64 letters, digits and _.-, such as blue")
    return value


@click.command(cls=Command)
@click.argument("name", required=False, callback=_to_instance)
@click.option("--web", "is_web", is_flag=True, help="The unit of the web page, in place of the daemon's.")
@click.option("--install", "is_installed", is_flag=True, help="Write the unit, and a first configuration.")
@click.option("--now", "is_started", is_flag=True, help="With --install: also enable and start it.")
@click.option("--remove", "is_removed", is_flag=True, help="Stop the unit, and remove what --install wrote.")
def unit(name: str | None, is_web: bool, is_installed: bool, is_started: bool, is_removed: bool) -> None:
    """Print the systemd unit that runs this installation, or set it up.

    NAME is for several on one machine: asyncjobd@NAME, which has /etc/asyncjobd@NAME to itself. --install keeps a
    configuration that is there. --remove keeps data, and what somebody has changed, and says so.
    """
    chosen = Unit(name, is_web)
    if is_installed and is_removed:
        raise click.UsageError("--install and --remove exclude each other")
    if is_started and not is_installed:
        raise click.UsageError("--now goes with --install")
    if is_installed or is_removed:
        steps = _install(chosen, is_started=is_started) if is_installed else installation.remove(chosen)
        for line in steps:
            click.echo(line)
    else:
        click.echo(chosen.text(), nl=False)
        if (why := sandbox.obstacle()) is not None:
            click.echo(f"Warning: this unit would not start: {why}", err=True)


def _install(unit: Unit, *, is_started: bool) -> Iterator[str]:
    if unit.is_web and find_spec("starlette") is None:
        raise Failure("the web page needs more packages: pip install 'asyncjobd[web]'", EXIT_CONFIG)
    yield from installation.install(unit)
    if is_started:
        yield from installation.start(unit)
    elif unit.is_web:
        yield f"next: make its role and dsn (`asyncjobd help web_page`), then run systemctl enable --now {unit.name}"
    else:
        yield f"next: edit {unit.config}, then run systemctl enable --now {unit.name}"
