"""The client that all requests of an action share. It goes to allowed hosts only."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from asyncjobd import __version__
from asyncjobd_handlers.http.hosts import AllowedHosts, public_addresses

IDLE = 30.0  # seconds after the last request until its connections are closed

for _name in ("httpx", "httpcore"):  # they log urls and headers, which may have secrets
    logging.getLogger(_name).setLevel(logging.WARNING)


class SharedClient:
    """A client that is opened by the first request and closed after IDLE seconds, so that it outlives no
    reload."""

    def __init__(self, hosts: AllowedHosts, tls: ssl.SSLContext) -> None:
        self._hosts = hosts
        self._tls = tls
        self._client: httpx.AsyncClient | None = None
        self._users = 0
        self._closing: asyncio.TimerHandle | None = None
        self._closed: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def use(self) -> AsyncIterator[httpx.AsyncClient]:
        """Lend the client for one request, with its redirects."""
        if self._closing is not None:
            self._closing.cancel()
        if self._client is None:
            self._client = _client(self._hosts, self._tls)
        self._users += 1
        try:
            yield self._client
        finally:
            self._users -= 1
            if not self._users:
                self._closing = asyncio.get_running_loop().call_later(IDLE, self._close)

    def _close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            self._closed = asyncio.get_running_loop().create_task(client.aclose())


def _client(hosts: AllowedHosts, tls: ssl.SSLContext) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=GuardedTransport(hosts, tls),
        timeout=None,  # noqa: S113 - the handler limits the whole exchange
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # jobs share no cookies
        headers={"User-Agent": f"asyncjobd/{__version__}", "Accept-Encoding": "identity"},
        trust_env=False,  # a proxy would resolve names itself, which bypasses the check of addresses
    )


class GuardedTransport(httpx.AsyncHTTPTransport):
    """A transport that raises HostError for requests, redirected ones too, to a host that is not allowed."""

    def __init__(self, hosts: AllowedHosts, tls: ssl.SSLContext) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        super().__init__(verify=tls, trust_env=False, limits=limits)
        self._hosts = hosts

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self._hosts.origin(request.url).is_pattern:
            return await super().handle_async_request(request)
        addresses = await public_addresses(request.url)
        for address in addresses[:-1]:  # the error of the last one is raised
            try:
                return await super().handle_async_request(_pinned(request, address))
            except httpx.ConnectError:
                continue
        return await super().handle_async_request(_pinned(request, addresses[-1]))


def _pinned(request: httpx.Request, address: str) -> httpx.Request:
    """Return the request, sent to the address that was checked: another look-up could return another one.

    The connection is not kept, as the pool would reuse it for any host at this address.
    """
    headers = request.headers.copy()
    headers["Connection"] = "close"
    extensions = {
        **request.extensions,
        "sni_hostname": request.url.raw_host.decode("ascii").removesuffix("."),
    }
    url = request.url.copy_with(host=address)
    return httpx.Request(request.method, url, headers=headers, stream=request.stream, extensions=extensions)
