"""Which hosts a request may go to."""

import asyncio
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import httpx

GLOBAL_UNICAST = IPv6Network("2000::/3")  # outside of it IPv6 wraps IPv4 addresses, private ones too
SIX_TO_FOUR = IPv6Network("2002::/16")  # does so as well
PORTS = {"https": 443, "http": 80}

_ORIGIN = re.compile(r"(?:(https?)://)?(\*|(?:\*\.)?[\w.-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?", re.ASCII)


class HostError(Exception):
    """A request may not go there."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where requests may go: one host; all below it, as "*.example.com"; or any, as "*"."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Origin":
        """[http[s]://]host[:port]; without a scheme https. Raises ValueError."""
        match = _ORIGIN.fullmatch(text.lower())
        if match is None:
            raise ValueError(
                f"{text!r} is no host: expected 'host', 'host:port', '*.host' or '*', after http:// for plain HTTP"
            )
        scheme = match[1] or "https"
        return cls(scheme, match[2].strip("[]"), int(match[3] or PORTS[scheme]))

    @property
    def is_pattern(self) -> bool:
        return self.host.startswith("*")

    def covers(self, url: httpx.URL) -> bool:
        host = url.raw_host.decode("ascii")
        is_host = host.endswith(self.host[1:]) if self.is_pattern else host == self.host
        return is_host and (url.scheme, url.port or PORTS.get(url.scheme)) == (self.scheme, self.port)


class AllowedHosts:
    """What a name of the list resolves to is the list's own choice; what a pattern finds must be a public address."""

    def __init__(self, origins: Iterable[Origin]) -> None:
        self._origins = sorted(origins, key=lambda origin: origin.is_pattern)

    def origin(self, url: httpx.URL) -> Origin:
        """What allows it. HostError where nothing does."""
        for origin in self._origins:
            if origin.covers(url):
                return origin
        raise HostError(f"{url.scheme}://{url.netloc.decode('ascii', 'replace')} is not in allowed_hosts")


async def public_addresses(url: httpx.URL) -> list[str]:
    """Of the url's host, all of them. HostError where one is not public; OSError where there is none."""
    host = url.raw_host.decode("ascii")
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    for address in addresses:
        if not _is_public(ip_address(address)):
            raise HostError(
                f"{host} is at {address}, which is not public; allowed_hosts does not name it itself"
            )
    return addresses


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and (address not in GLOBAL_UNICAST or address in SIX_TO_FOUR):
        return False
    return address.is_global and not address.is_multicast
