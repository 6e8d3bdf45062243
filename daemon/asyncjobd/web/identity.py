"""Whoever may not look is refused; pages find in `request.state.viewer` who looks."""

from http import HTTPStatus
from inspect import isawaitable

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from asyncjobd.web.refusal import is_open, refusal
from asyncjobd.web.viewer import MayNotLook, Viewer, ViewerOf


class Identity:
    """Finds out who makes a request (an ASGI application)."""

    def __init__(self, app: ASGIApp, viewer_of: ViewerOf) -> None:
        self._app = app
        self._viewer_of = viewer_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_open(scope):
            await self._app(scope, receive, send)
            return
        try:
            viewer = await self._viewer(Request(scope, receive))
        except MayNotLook as error:
            refused = refusal(scope, HTTPStatus.FORBIDDEN, str(error), may_retry=scope["method"] != "POST")
            await refused(scope, receive, send)
            return
        state = {**scope.get("state", {}), "viewer": viewer}  # the state itself is that of the program around
        await self._app({**scope, "state": state}, receive, send)

    async def _viewer(self, request: Request) -> Viewer:
        found = self._viewer_of(request)
        viewer = await found if isawaitable(found) else found
        if viewer is None:
            raise MayNotLook("you may not look at this page")
        return viewer
