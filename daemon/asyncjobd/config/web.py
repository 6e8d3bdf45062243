"""The table [web]: where the web page listens, and who may look and order there."""

import re
from collections.abc import Iterator

import msgspec

from asyncjobd.config.words import shown

_ADDRESS = re.compile(r"(?:\[(?P<ipv6>[0-9a-fA-F:.]+)\]|(?P<host>[^\s:\[\]]+)):(?P<port>\d{1,5})")

_HOST = re.compile(r"[a-zA-Z0-9._-]{1,253}|\[[0-9a-fA-F:.]+\]")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")  # nginx drops one with _
_TAKEN = {"host", "cookie", "origin", "sec-fetch-site", "content-length", "content-type", "transfer-encoding"}


def parse_address(text: str) -> tuple[str, int] | None:
    """Return host and port of "host:port" (port 0: a free one); None if the text is no address."""
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        return None
    return match["ipv6"] or match["host"], int(match["port"])


class WebConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table [web], of `asyncjobd web`."""

    listen: str = "127.0.0.1:8642"  # beside the socket, which is always there; empty: only that
    hosts: tuple[str, ...] = ()  # further names that the page is reached by; any other Host is refused
    label: str = ""  # shown on each page, so that nobody takes one database for another
    user_header: str = ""  # names the user; believed only over the socket, and only from `proxy_users`
    proxy_users: tuple[str, ...] = ()  # the local users that proxies run as
    groups_header: str = ""  # the groups of that user, with commas between; believed likewise
    viewers: tuple[str, ...] = ()  # who may look: "ann", "group:ops", or "*" for whoever was identified
    operators: tuple[str, ...] = ()  # who may also order: hold, release, run, cancel, enqueue, pause
    hide: tuple[str, ...] = ("*password*", "*secret*", "*token*")  # fields of params and results, by name

    @property
    def address(self) -> tuple[str, int] | None:
        """Return host and port to listen on; None if `listen` is empty or no address."""
        return parse_address(self.listen)

    @property
    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Yield each key whose text is wrong, and why."""
        if self.listen and self.address is None:
            yield "listen", f'{shown(self.listen)} is not host:port, such as "127.0.0.1:8642" or "[::1]:8642"'
        for host in self.hosts:
            if not _HOST.fullmatch(host):
                yield "hosts", f'{shown(host)} is not the name of a host, such as "jobs.example.com"'
        for key in ("proxy_users", "viewers", "operators", "hide"):
            if any(not each.strip() or each == "group:" for each in getattr(self, key)):
                yield key, "one of the names is empty"
        yield from self._proxy_conflicts()

    def _proxy_conflicts(self) -> Iterator[tuple[str, str]]:
        for key in ("user_header", "groups_header"):
            header = getattr(self, key)
            if header and (not _HEADER.fullmatch(header) or header.lower() in _TAKEN):
                yield key, f'{shown(header)} is not a header that names somebody, such as "Remote-User"'
        if self.user_header and not self.proxy_users:
            yield "user_header", 'nobody may send it: add proxy_users, such as ["www-data"]'
        if self.proxy_users and not self.user_header:
            yield "proxy_users", 'they name nobody: add user_header, such as "Remote-User"'
        if self.groups_header and not self.user_header:
            yield (
                "groups_header",
                'without a user there are no groups: add user_header, such as "Remote-User"',
            )
        if "*" in self.proxy_users:
            yield "proxy_users", "everybody could pretend to be anybody: name the users that proxies run as"
