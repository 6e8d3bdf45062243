"""What holds for each request, whoever makes it: the name of the host, where a form comes from, and its size.

A browser sends requests that its user never meant, on behalf of any site that they have open: GET therefore changes
nothing, and a POST must come from a page of ours (`Guard._is_ours`). A site may also give its own name our address
(DNS rebinding): names that nobody has configured are refused.
"""

import re
from collections.abc import Callable, Collection
from http import HTTPStatus
from time import monotonic

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asyncjobd.web.refusal import refusal

LONGEST_URL = 4096  # bytes of path and query
LARGEST_BODY = 1024 * 1024  # bytes; params of a job that is enqueued by hand are smaller
METHODS = {"GET", "HEAD", "POST"}
ALWAYS_OURS = {"localhost", "127.0.0.1", "[::1]"}
POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
    "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'",
    "trusted-types asyncjobd",
))  # fmt: skip
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",  # with no-referrer, browsers hide from us where a form comes from, too
    "x-content-type-options": "nosniff",
}

_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[^:\[\]/@\s]+)(:\d{1,5})?")

log = structlog.get_logger("asyncjobd.web")


class Guard:
    """Refuses requests that no page of ours makes, and gives each answer its headers (an ASGI application)."""

    def __init__(
        self,
        app: ASGIApp,
        hosts: Collection[str] | None = None,
        is_program: Callable[[Scope], bool] = lambda _: False,
    ) -> None:
        """`hosts`: the names of the host that are taken, besides those of this machine for itself; None: any, as the
        program that we are a part of checks it. `is_program`: whether a user of this machine makes the request
        without a browser.
        """
        self._app = app
        self._hosts = None if hosts is None else ALWAYS_OURS | {host.lower() for host in hosts}
        self._is_program = is_program

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _pass_on(self._app, scope, receive, send)
            return
        answer = _Answer(scope, send)
        refused = self._refused(scope)
        app = self._app if refused is None else refusal(scope, *refused)
        await app(scope, receive, answer.send)

    def _refused(self, scope: Scope) -> tuple[HTTPStatus, str] | None:
        """Return the status and the reason of a refusal, or None."""
        headers = Headers(scope=scope)
        if self._hosts is not None:
            host = _host(headers)
            if host not in self._hosts:
                return (
                    HTTPStatus.BAD_REQUEST,
                    "this host name is not known here: [web] hosts has those that are",
                )
        if scope["method"] not in METHODS:
            return HTTPStatus.METHOD_NOT_ALLOWED, f"expected one of {', '.join(sorted(METHODS))}"
        if len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"]) > LONGEST_URL:
            return HTTPStatus.REQUEST_URI_TOO_LONG, f"a URL has at most {LONGEST_URL} bytes"
        if "transfer-encoding" in headers:
            return HTTPStatus.LENGTH_REQUIRED, "expected a request whose length is known"
        if int(headers.get("content-length", "0")) > LARGEST_BODY:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request has at most {LARGEST_BODY} bytes"
        if scope["method"] == "POST" and not self._is_ours(scope, headers):
            return (
                HTTPStatus.FORBIDDEN,
                "this order does not come from a page of this site, so it is not obeyed",
            )
        return None

    def _is_ours(self, scope: Scope, headers: Headers) -> bool:
        """Return whether a POST comes from a page of ours, or from a program.

        Browsers say so in Sec-Fetch-Site; over HTTP to another host than localhost only in Origin.
        """
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None:
            return site == "same-origin"
        if origin is not None:
            return origin.partition("://")[2].lower() == headers.get("host", "").lower() != ""
        return self._is_program(scope)


class _Answer:
    """An answer, which gets our headers and is logged."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._began_at = monotonic()

    async def send(self, message: Message) -> None:
        """Send as the server does."""
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            headers.setdefault("cache-control", "no-store")
            # without the query, which has the token of a link, or what somebody searches for
            log.debug(
                "web.request", method=self._scope["method"], path=self._scope["path"], status=message["status"],
                seconds=round(monotonic() - self._began_at, 4),
            )  # fmt: skip
        await self._send(message)


def _host(headers: Headers) -> str | None:
    """Return the name of the host that is asked for, without the port; None where there is no single one."""
    given = headers.getlist("host")
    match = _HOST.fullmatch(given[0]) if len(given) == 1 else None
    return None if match is None else match["name"].lower()


async def _pass_on(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Pass on what is no request; no page of ours uses a websocket."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
    else:
        await app(scope, receive, send)
