"""`asyncjobd web`: the web page, links to it, and the role that it logs in as."""

import http.client
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import click
import msgspec
import structlog

from asyncjobd.cli.environment import Environment, pass_environment
from asyncjobd.cli.failures import EXIT_CONFIG, Failure
from asyncjobd.cli.group import Group
from asyncjobd.observability.logging import setup as logs
from asyncjobd.postgres.outage import FAILURES, is_outage, named
from asyncjobd.postgres.statement import in_schema

if TYPE_CHECKING:
    from asyncjobd.web.transactions import Transactions

EXIT_NO_PAGE = 69  # EX_UNAVAILABLE of sysexits.h
UNIT_SOCKET = Path("/run/asyncjobd-web/socket")
PATIENCE = 10.0  # seconds for the page to answer
ROLE = """\
create role "asyncjobd-web" login noinherit connection limit 6;
alter role "asyncjobd-web" set statement_timeout = '5s';
grant asyncjob_reader to "asyncjobd-web";
-- without these two, nobody can order anything from the page
grant asyncjob_producer to "asyncjobd-web";
grant asyncjob_operator to "asyncjobd-web";
"""

log = structlog.get_logger("asyncjobd.web")

socket_option = click.option(
    "--socket", "path", type=click.Path(path_type=Path), metavar="PATH",
    help="The page's socket. Default: that of the unit asyncjobd-web; for others in $XDG_RUNTIME_DIR.",
)  # fmt: skip


@click.group(cls=Group, invoke_without_command=True)
@socket_option
@pass_environment
def web(environment: Environment, path: Path | None) -> None:
    """Serve the web page until SIGTERM or SIGINT."""
    if click.get_current_context().invoked_subcommand is not None:
        return
    try:
        import asyncjobd.web.server  # noqa: F401
    except ModuleNotFoundError as error:
        raise Failure(f"{error}: pip install 'asyncjobd[web]'", EXIT_CONFIG) from error
    environment.warn_of_unused_file()
    logs.configure(environment.config.logging)
    environment.run(_serve(environment, path or _own_socket()))


@web.command()
@socket_option
def link(path: Path | None) -> None:
    """Print a link that opens the page once.

    It is for whoever runs the command, if [web] viewers or operators name them, and ends after a minute.
    """
    path = path or _served_socket()
    try:
        status, body = _post(path, "/link")
    except OSError as error:
        reason = error.strerror or error
        raise Failure(
            f"{path}: {reason}: start `asyncjobd web`, or name its --socket", EXIT_NO_PAGE
        ) from error
    if status != http.HTTPStatus.OK:
        raise Failure(body.decode(errors="replace").strip())
    click.echo(msgspec.json.decode(body)["url"])


@web.command()
@pass_environment
def role(environment: Environment) -> None:
    """Print the SQL of the page's role.

    An administrator of the database runs it.
    """
    click.echo(in_schema(ROLE, environment.config.database.schema), nl=False)


async def _serve(environment: Environment, path: Path) -> None:
    from asyncjobd.web.server import WebServer, sockets_of
    from asyncjobd.web.sessions import session_key
    from asyncjobd.web.site import Site, address_of
    from asyncjobd.web.transactions import Transactions

    config = environment.config.web
    key = session_key()
    async with environment.any_database() as database:
        transactions = Transactions(database)
        await _check(transactions)
        sockets = sockets_of(config, path)
        address = address_of(sockets, config.hosts)
        site = Site(transactions, config, key, address)
        log.info("web.ready", socket=str(sockets[0].getsockname()), address=address or None)
        if sys.stdout.isatty() and address:
            click.echo(f"Open within a minute, once: {site.link(os.geteuid())}")
        await WebServer(site.app).serve(sockets)
        await transactions.close()
    log.info("web.stopped")


async def _check(transactions: "Transactions") -> None:
    """Raise Failure where the database lets nobody look; one that is away may come back."""
    try:
        await transactions.check()
    except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError) as error:
        raise Failure(f"{error}: `asyncjobd web role` prints what the page's role needs") from error
    except FAILURES as error:
        if not is_outage(error):
            raise
        log.warning("database.away", part="web", reason=named(error))


def _own_socket() -> Path:
    """Return where the socket is made: in the unit's runtime directory, else in that of the user."""
    if folder := os.environ.get("RUNTIME_DIRECTORY"):
        return Path(folder.split(":")[0]) / "socket"
    runtime = os.environ.get("XDG_RUNTIME_DIR") if os.geteuid() else "/run"
    return Path(runtime or Path("~/.local/state").expanduser()) / "asyncjobd-web" / "socket"


def _served_socket() -> Path:
    """Return where a socket is: the user's own, else the unit's."""
    own = _own_socket()
    return own if own.exists() else UNIT_SOCKET


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _post(path: Path, target: str) -> tuple[int, bytes]:
    """Return the status and the body of the answer to a POST. Raise OSError."""
    connection = _Connection(path)
    try:
        connection.request("POST", target)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"no answer of a web page: {error!r}") from error
    finally:
        connection.close()
