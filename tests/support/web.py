"""A process of `asyncjobd web`, and requests to it from users of this machine."""

import http.client
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pwd import getpwnam
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import tomli_w

from tests.support.daemon import DEADLINE, DaemonProcess

TCP = "TCP"  # in place of a user: whoever comes over the network


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def may_order(self) -> bool:
        """Return whether it is a page for somebody who may order."""
        return self.status == 200 and "looks only" not in self.text


def style_of(text: str) -> str:
    """Return the path of a page's style sheet."""
    return text.partition('rel="stylesheet" href="')[2].partition('"')[0]


class WebProcess(DaemonProcess):
    """A web page with its log."""

    def __init__(self, config: Path, **environment: str) -> None:
        self.path = config.with_name("web.socket")
        super().__init__(config, is_alone=False, command=("web", "--socket", str(self.path)), **environment)

    def ready(self) -> "WebProcess":
        """Wait until it listens."""
        self.address: str = self.wait_for("web.ready").get("address") or ""
        return self

    def ask(
        self,
        target: str = "/",
        user: str = "root",
        method: str = "GET",
        body: str | None = None,
        **headers: str,
    ) -> Answer:
        """Return the answer to a request of a user of this machine over the socket, or of nobody over TCP.

        Headers are given with _ for -; the name of the host is localhost unless they say otherwise.
        """
        where = urlsplit(self.address).netloc if user == TCP else "localhost"
        connection = http.client.HTTPConnection(where, timeout=DEADLINE)
        connection.sock = self.connected(user)
        try:
            connection.request(
                method, target, body, {name.replace("_", "-"): text for name, text in headers.items()}
            )
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    def connected(self, user: str) -> socket.socket:
        """Return a connection that this user has made."""
        if user == TCP:
            address = urlsplit(self.address)
            return socket.create_connection((address.hostname, address.port), DEADLINE)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(DEADLINE)
        with acting_as(user):
            connection.connect(str(self.path))
        return connection


@contextmanager
def acting_as(user: str) -> Iterator[None]:
    """Have the kernel take this process for one of another user; needs root."""
    before = os.geteuid()
    os.seteuid(getpwnam(user).pw_uid)
    try:
        yield
    finally:
        os.seteuid(before)


def web_config(folder: Path, dsn: str, **web: Any) -> Path:
    """Write a configuration with these keys of [web] to a folder that all users may reach, and return the file."""
    folder.mkdir(exist_ok=True)
    path = folder / "config.toml"
    document = {
        "database": {"dsn": dsn},
        "logging": {"format": "json", "level": "debug"},
        "web": {"listen": "127.0.0.1:0"} | web,
    }
    path.write_text(tomli_w.dumps(document))
    return path
