"""What a proxy in front says: who the user is, and where the page is on the outside.

Anybody can send such headers. They are taken over the unix socket, from the users that proxies run as; a user header
from anybody else is refused rather than ignored, as somebody tries to be another, or a proxy is set up wrong.
"""

import pwd
import re
from collections.abc import Iterable
from http import HTTPStatus

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from asyncjobd.config.web import WebConfig
from asyncjobd.web.peer import peer_of
from asyncjobd.web.refusal import refusal

PREFIX = "x-forwarded-prefix"
SCHEME = "x-forwarded-proto"

log = structlog.get_logger("asyncjobd.web")

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")


class Proxies:
    """Takes what proxies say, and refuses it from others (an ASGI application)."""

    def __init__(self, app: ASGIApp, config: WebConfig, uids: frozenset[int]) -> None:
        """`uids`: of the users that proxies run as."""
        self._app = app
        self._uids = uids
        self._headers = [each for each in (config.user_header, config.groups_header) if each]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if peer_of(scope) in self._uids:
                scope = _from_outside(scope, headers)
            elif named := [each for each in self._headers if each in headers]:
                reason = f"{named[0]} is taken only over the socket, from [web] proxy_users"
                await refusal(scope, HTTPStatus.BAD_REQUEST, reason)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def proxy_uids(names: Iterable[str]) -> frozenset[int]:
    """Return the uids of [web] proxy_users. A user that is not there is logged, and left out until the next start."""
    uids = set()
    for name in names:
        try:
            uids.add(pwd.getpwnam(name).pw_uid)
        except KeyError:
            log.warning("web.no_such_proxy", user=name)
    return frozenset(uids)


def _from_outside(scope: Scope, headers: Headers) -> Scope:
    """Return the scope as the browser sees it: with its scheme, and below the path that the proxy has taken off."""
    prefix = headers.get(PREFIX, "").rstrip("/")
    scheme = headers.get(SCHEME, "")
    scope = {**scope, "scheme": "https" if scheme == "https" else scope["scheme"]}
    if _PREFIX.fullmatch(prefix):
        path, raw = scope["path"], scope["raw_path"]
        scope |= {"root_path": prefix, "path": prefix + path, "raw_path": prefix.encode() + raw}
    return scope
