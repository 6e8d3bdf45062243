"""Makes links and opens them: POST /link over the socket answers with one, and /login turns it into a session."""

from html import escape
from http import HTTPStatus

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from asyncjobd.web.access import Access
from asyncjobd.web.fields import Form
from asyncjobd.web.links import LIFE_SECONDS, Links
from asyncjobd.web.page import Unclear
from asyncjobd.web.refusal import page, refusal
from asyncjobd.web.sessions import LIFE_SECONDS as SESSION_SECONDS
from asyncjobd.web.sessions import Sessions
from asyncjobd.web.viewer import MayNotLook

OVER = (
    f"this link was opened before, or is older than {LIFE_SECONDS:g} s: `asyncjobd web link` prints a new one"
)
FORM = """<form method="post" action="{action}">
<input type="hidden" name="token" value="{token}">
<p>For 12 hours, this browser {does} as <b>{name}</b>.</p>
<p><button class="first">Open</button></p>
</form>"""

log = structlog.get_logger("asyncjobd.web")


class Login:
    """Answers people who have no session yet, and passes all other requests on (an ASGI application)."""

    def __init__(self, app: ASGIApp, access: Access, links: Links, sessions: Sessions, address: str) -> None:
        """`address`: the URL at which a browser finds the page; empty: at none, so that there are no links."""
        self._access = access
        self._links = links
        self._sessions = sessions
        self._address = address
        self._app = app
        routes = [
            Route("/link", self._make, methods=["POST"]),
            Route("/login", self._ask, methods=["GET"]),
            Route("/login", self._open, methods=["POST"]),
        ]
        self._router = Router(routes, redirect_slashes=False, default=app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._router if scope["type"] == "http" else self._app
        await app(scope, receive, send)

    def link(self, uid: int) -> str:
        """Return a link that opens the page as this user, once."""
        return f"{self._address}/login?token={self._links.new(uid)}"

    async def _make(self, request: Request) -> Response:
        """Answer whoever is at the socket with a link of theirs."""
        uid = self._access.local_uid(request.scope)
        if uid is None:
            return refusal(
                request.scope, HTTPStatus.FORBIDDEN, "links are made over the socket: asyncjobd web link"
            )
        if not self._address:
            return refusal(
                request.scope, HTTPStatus.CONFLICT, "[web] listen is empty, and a link would lead nowhere"
            )
        try:
            viewer = await self._access.viewer_by_uid(uid)
        except MayNotLook as error:
            return refusal(request.scope, HTTPStatus.FORBIDDEN, str(error))
        log.info("web.link_made", user=viewer.name)
        return JSONResponse({"url": self.link(uid)})

    async def _ask(self, request: Request) -> Response:
        """Show who a link is for. It is opened by the button: looking at it, as a preview does, must not use it up."""
        token = request.query_params.get("token", "")
        uid = self._links.uid_of(token)
        if uid is None:
            return refusal(request.scope, HTTPStatus.FORBIDDEN, OVER)
        try:
            viewer = await self._access.viewer_by_uid(uid)
        except MayNotLook as error:
            return refusal(request.scope, HTTPStatus.FORBIDDEN, str(error))
        does = "looks and orders" if viewer.can_order else "looks"
        action = f"{request.scope['root_path']}/login"
        form = FORM.format(action=escape(action), token=escape(token), name=escape(viewer.name), does=does)
        return page(request.scope, "Open asyncjobd", form)

    async def _open(self, request: Request) -> Response:
        """Begin the session of a link, and end the link."""
        try:
            uid = self._links.take((await Form.of(request)).get("token"))
        except Unclear as error:
            return refusal(request.scope, HTTPStatus.BAD_REQUEST, str(error))
        if uid is None:
            return refusal(request.scope, HTTPStatus.FORBIDDEN, OVER)
        log.info("web.session_begun", uid=uid)
        root = f"{request.scope['root_path']}/"
        response = RedirectResponse(root, HTTPStatus.SEE_OTHER)
        response.set_cookie(
            self._sessions.cookie, self._sessions.sign(uid), max_age=SESSION_SECONDS, path=root, httponly=True,
            samesite="strict", secure=request.url.scheme == "https",
        )  # fmt: skip
        return response
