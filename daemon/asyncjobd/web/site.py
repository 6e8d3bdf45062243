"""The page with all that stands around it: as a part of another program, and in a process of its own."""

import socket
from collections.abc import Sequence
from ipaddress import ip_address

from starlette.requests import Request
from starlette.types import ASGIApp

from asyncjobd.config.web import WebConfig
from asyncjobd.web.access import Access
from asyncjobd.web.application import application as pages
from asyncjobd.web.guard import Guard
from asyncjobd.web.identity import Identity
from asyncjobd.web.links import Links
from asyncjobd.web.login import Login
from asyncjobd.web.proxy import Proxies, proxy_uids
from asyncjobd.web.sessions import Sessions
from asyncjobd.web.transactions import Transactions
from asyncjobd.web.viewer import Viewer, ViewerOf

DEFAULTS = WebConfig()


def application(transactions: Transactions, viewer_of: ViewerOf, settings: WebConfig = DEFAULTS) -> ASGIApp:
    """Return the page as an ASGI application, for another one to mount at any path.

    Args:
        transactions: Those of the database, see `Transactions.connect`.
        viewer_of: Says who makes a request. It is asked each time; for None the answer is 403.
        settings: `label` and `hide` of it are used: the program decides the rest.
    """
    return Guard(_identified(transactions, viewer_of, settings))


class Site:
    """The page of `asyncjobd web`, which finds out by itself who looks.

    Attributes:
        app: The ASGI application.
    """

    def __init__(self, transactions: Transactions, config: WebConfig, key: bytes, address: str) -> None:
        """`key` signs the sessions; `address` is what links begin with, see `address_of`."""
        sessions, proxies = Sessions(key), proxy_uids(config.proxy_users)
        access = Access(config, sessions, proxies)
        self._login = Login(
            _identified(transactions, access.viewer_of, config), access, Links(), sessions, address
        )
        hosts = [*config.hosts, *([_in_url(config.address[0])] if config.address else [])]
        self.app = Guard(Proxies(self._login, config, proxies), hosts, access.is_program)

    def link(self, uid: int) -> str:
        """Return a link that opens the page as this user of the machine, once, within a minute."""
        return self._login.link(uid)


def address_of(sockets: Sequence[socket.socket], hosts: Sequence[str]) -> str:
    """Return what the URL of the page begins with, for a browser; empty where no socket is one that it can use.

    The first of `hosts` names a socket that other machines may reach.
    """
    for each in sockets:
        if each.family in {socket.AF_INET, socket.AF_INET6}:
            host, port = each.getsockname()[:2]
            is_local = ip_address(host).is_loopback
            return f"http://{_in_url(host) if is_local or not hosts else hosts[0]}:{port}"
    return ""


def _identified(transactions: Transactions, viewer_of: ViewerOf, settings: WebConfig) -> ASGIApp:
    return Identity(pages(transactions, _found_before, settings), viewer_of)


def _found_before(request: Request) -> Viewer:
    """Return the viewer that Identity has found."""
    viewer: Viewer = request.state.viewer
    return viewer


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
