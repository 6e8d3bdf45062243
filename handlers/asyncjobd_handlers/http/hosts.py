"""The hosts that a request may go to."""

import asyncio
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import httpx

GLOBAL_UNICAST = IPv6Network("2000::/3")  # outside of it IPv6 addresses may wrap private IPv4 ones
SIX_TO_FOUR = IPv6Network("2002::/16")  # wraps IPv4 addresses too
PORTS = {"https": 443, "http": 80}

_ORIGIN = re.compile(r"(?:(https?)://)?(\*|(?:\*\.)?[\w.-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?", re.ASCII)


class HostError(Exception):
    """A request may not go to this host."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A scheme, a host and a port that requests may go to. The host may be "*.example.com" or "*"."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Origin":
        """Return the origin of a text "[http[s]://]host[:port]"; the default scheme is https. Raise
        ValueError."""
        match = _ORIGIN.fullmatch(text.lower())
        if match is None:
            form = "'host', 'host:port', '*.host' or '*', after http:// for plain HTTP"
            raise ValueError(f"{text!r} is no host: expected {form}")
        scheme = match[1] or "https"
        return cls(scheme, match[2].strip("[]"), int(match[3] or PORTS[scheme]))

    @property
    def is_pattern(self) -> bool:
        return self.host.startswith("*")

    def covers(self, url: httpx.URL) -> bool:
        """Return whether a request to this url goes there."""
        host = url.raw_host.decode("ascii")
        is_host = host.endswith(self.host[1:]) if self.is_pattern else host == self.host
        return is_host and (url.scheme, url.port or PORTS.get(url.scheme)) == (self.scheme, self.port)


class AllowedHosts:
    """The origins that an action allows. A host that is named may be private; one that a pattern matches
    may not."""

    def __init__(self, origins: Iterable[Origin]) -> None:
        self._origins = sorted(origins, key=lambda origin: origin.is_pattern)

    def origin(self, url: httpx.URL) -> Origin:
        """Return the origin that allows the url, named hosts first. Raise HostError if none does."""
        for origin in self._origins:
            if origin.covers(url):
                return origin
        raise HostError(f"{url.scheme}://{url.netloc.decode('ascii', 'replace')} is not in allowed_hosts")


async def public_addresses(url: httpx.URL) -> list[str]:
    """Return all addresses of the url's host. Raise HostError if one is not public, and OSError if there
    is none."""
    host = url.raw_host.decode("ascii")
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    for address in addresses:
        if not _is_public(ip_address(address)):
            reason = "which is not public, and allowed_hosts has it only by a pattern"
            raise HostError(f"{host} is at {address}, {reason}")
    return addresses


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and (address not in GLOBAL_UNICAST or address in SIX_TO_FOUR):
        return False
    return address.is_global and not address.is_multicast
