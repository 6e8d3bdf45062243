"""Answers requests for pages: from the look that all viewers share, in full or as "nothing new"."""

import hashlib
import inspect
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from asyncjobd.config.web import WebConfig
from asyncjobd.monitoring.overview import LastHour, Overview
from asyncjobd.monitoring.run import Run
from asyncjobd.postgres.embedded import EmbeddedError
from asyncjobd.postgres.outage import FAILURES, describe, is_outage
from asyncjobd.web.drawing import Drawing
from asyncjobd.web.look import Looks, Seen
from asyncjobd.web.page import Asked, Model, Moved, NotFound, Page, Unclear
from asyncjobd.web.pages.overview import PAGE as OVERVIEW
from asyncjobd.web.transactions import Transactions
from asyncjobd.web.verdict import NO_ANSWER, SLOW, Verdict
from asyncjobd.web.viewer import Viewer, ViewerOf

Endpoint = Callable[[Request], Awaitable[Response]]
Handler = Callable[[Request, Exception], Awaitable[Response]]
THEMES = ("light", "dark")
TOO_LONG = (
    "Ask for less, such as one action or a shorter time; asyncjobd doctor tells what slows the database down, or who "
    "has locked a table."
)
LOCKED_FOR_LONG = (
    "Nothing was changed. Somebody may have locked the row, or the table: asyncjobd doctor tells who."
)


def redirect(request: Request, path: str) -> Response:
    """Return the answer that leads to another page, by its path below that of the site."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}{path}", 303)


class Showing:
    """Shows pages to viewers."""

    def __init__(
        self,
        transactions: Transactions,
        viewer_of: ViewerOf,
        settings: WebConfig,
        drawing: Drawing,
        looks: Looks,
    ) -> None:
        self.transactions = transactions
        self.looks = looks
        self._viewer_of = viewer_of
        self.hide = settings.hide
        self._drawing = drawing
        self._last_hour = LastHour()

    def of(self, page: Page) -> Endpoint:
        """Return what answers requests for a page."""

        async def show(request: Request) -> Response:
            viewer = await self.viewer(request)
            query = {key: request.query_params[key] for key in page.parameters if key in request.query_params}
            seen = await self._seen(page, request.path_params, query)
            if "application/json" in request.headers.get("accept", ""):
                return Response(msgspec.json.encode(seen.model), media_type="application/json")
            return await self._draw(page.name, seen, request, viewer)

        return show

    async def viewer(self, request: Request) -> Viewer:
        """Return who asks. Raise HTTPException for somebody who may not look."""
        viewer = self._viewer_of(request)
        if inspect.isawaitable(viewer):
            viewer = await viewer
        if viewer is None:
            raise HTTPException(403, "You may not look at these pages.")
        return viewer

    async def operator(self, request: Request) -> Viewer:
        """Return who gives an order. Raise HTTPException for somebody who may not."""
        viewer = await self.viewer(request)
        if not viewer.can_order:
            raise HTTPException(403, "You may look, but not order.")
        return viewer

    async def _seen(self, page: Page, path: Mapping[str, Any], query: Mapping[str, str]) -> Seen[Model]:
        async def see() -> Model:
            # Before the transaction begins: the look of the overview needs a connection, too
            overview = await self.overview() if page.uses_overview else None
            if not page.reads:
                return await page.view(self.asked(_reads_nothing, path, query, overview))
            async with self.transactions.reading() as reading:
                return await page.view(self.asked(reading.fetch, path, query, overview))

        key = (page.name, *sorted(path.items()), *sorted(query.items()))
        return await self.looks.seen(key, see, page.pace)

    async def overview(self) -> Overview | None:
        """Return what the overview has seen last; None where it could not be seen."""
        try:
            seen: Seen[Any] = await self._seen(OVERVIEW, {}, {})
        except (*FAILURES, EmbeddedError):
            return None
        overview: Overview = seen.model.seen
        return overview

    def asked(
        self, fetch: Run, path: Mapping[str, Any], query: Mapping[str, str], overview: Overview | None
    ) -> Asked:
        """Return what a page is asked for now."""
        return Asked(fetch, path, query, datetime.now(UTC), self.hide, self._last_hour, overview)

    async def _verdict(self) -> Verdict:
        try:
            seen: Seen[Any] = await self._seen(OVERVIEW, {}, {})
        except asyncpg.QueryCanceledError:
            return SLOW
        except (*FAILURES, EmbeddedError):
            return NO_ANSWER
        return Verdict.of(seen.model)

    async def _draw(self, name: str, seen: Seen[Model], request: Request, viewer: Viewer) -> Response:
        verdict = await self._verdict()
        values = self._values(request, viewer, verdict) | {"model": seen.model, "now": seen.at}
        key = (name, viewer.can_order, values["root"])
        main, tag = seen.drawn(key, lambda _: self._drawing.main(name, **values))
        etag = f'"{hashlib.sha256(f"{tag}{verdict}".encode()).hexdigest()[:24]}"'
        if _names(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers={"ETag": etag})
        text = self._drawing.page(main, **values, etag=etag, is_live=True)
        return HTMLResponse(text, headers={"ETag": etag, "Cache-Control": "no-store"})

    async def draw(
        self, name: str, request: Request, viewer: Viewer, model: Model, status_code: int = 200
    ) -> Response:
        """Return a page that shows one moment, and is not renewed."""
        values = self._values(request, viewer, await self._verdict())
        return self._moment(name, values | {"model": model}, status_code)

    def _moment(self, name: str, values: dict[str, Any], status: int, *, is_live: bool = False) -> Response:
        values |= {"now": datetime.now(UTC)}
        text = self._drawing.page(self._drawing.main(name, **values), **values, etag="", is_live=is_live)
        return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})

    def _values(self, request: Request, viewer: Viewer | None, verdict: Verdict) -> dict[str, Any]:
        theme = request.cookies.get("theme")
        return {
            "root": request.scope.get("root_path", ""),
            "path": request.url.path.removeprefix(request.scope.get("root_path", "")),
            "query": request.query_params.get("q", ""),
            "viewer": viewer,
            "can_order": viewer is not None and viewer.can_order and not self.transactions.is_read_only,
            "verdict": verdict,
            "theme": theme if theme in THEMES else "",
        }

    @property
    def exception_handlers(self) -> Mapping[Any, Handler]:
        """Return what answers in place of a page that cannot be shown, by exception or status."""
        handlers: dict[Any, Handler] = {
            HTTPException: self._refuse, Moved: self._moved, NotFound: self._not_found, Unclear: self._unclear,
        }  # fmt: skip
        return handlers | dict.fromkeys((*FAILURES, TimeoutError), self._failed)

    async def _refuse(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            return await self._problem(request, 404, "There is no such page", request.url.path)
        return await self._problem(request, error.status_code, error.detail, "")

    async def _moved(self, request: Request, error: Exception) -> Response:
        return redirect(request, str(error))

    async def _not_found(self, request: Request, error: Exception) -> Response:
        return await self._problem(request, 404, "Not found", str(error))

    async def _unclear(self, request: Request, error: Exception) -> Response:
        return await self._problem(request, 400, "That cannot be answered", str(error))

    async def _failed(self, request: Request, error: Exception) -> Response:
        said = f"{type(error).__name__}: {describe(error)}"
        if isinstance(error, asyncpg.QueryCanceledError):
            advice = LOCKED_FOR_LONG if request.method == "POST" else TOO_LONG
            return await self._problem(request, 503, "That takes the database too long", f"{said}. {advice}")
        if is_outage(error):
            return await self._problem(request, 503, "The database does not answer", said, NO_ANSWER)
        status = 403 if isinstance(error, asyncpg.InsufficientPrivilegeError) else 400
        return await self._problem(request, status, "The database refuses that", said)

    async def _problem(
        self, request: Request, status: int, title: str, said: str, verdict: Verdict | None = None
    ) -> Response:
        model = Problem(title=title, said=said)
        if "application/json" in request.headers.get("accept", ""):
            return Response(msgspec.json.encode(model), status, media_type="application/json")
        known = verdict or (Verdict("REFUSED", 2) if status == 403 else await self._verdict())
        values = self._values(request, None, known) | {"model": model}
        return self._moment("problem", values, status, is_live=status == 503 and request.method == "GET")


def _names(tags: str, etag: str) -> bool:
    """Return whether an If-None-Match names this tag, which is weak behind a proxy that compresses."""
    return any(each.strip().removeprefix("W/") == etag for each in tags.split(","))


async def _reads_nothing(query: str, /, **arguments: Any) -> list[asyncpg.Record]:
    raise AssertionError(f"a page that reads nothing has run {query}")


class Problem(Model):
    """Why a page cannot be shown."""

    said: str
