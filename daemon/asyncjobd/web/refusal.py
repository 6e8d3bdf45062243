"""The answer to a request that is refused: a sentence, as a page for browsers and as text for programs."""

from collections.abc import Mapping
from functools import cache
from html import escape
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import Scope

from asyncjobd.web.assets import Assets

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · asyncjobd</title>
<link rel="icon" href="{root}{icon}">
<link rel="stylesheet" href="{root}{css}">
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


@cache
def _assets() -> Mapping[str, str]:
    """Return the paths of what these pages are drawn with, by their names in PAGE."""
    assets = Assets()
    return {name: f"/static/{assets.name(file)}" for name, file in (("css", "app.css"), ("icon", "icon.svg"))}


def is_open(scope: Scope) -> bool:
    """Return whether a request is for what these pages are drawn with, which everybody may have."""
    return scope["path"].removeprefix(scope.get("root_path", "")) in _assets().values()


def page(scope: Scope, title: str, body: str, status: int = HTTPStatus.OK) -> Response:
    """Return a page that needs no session. `title` is text, `body` is HTML."""
    root = escape(scope.get("root_path", ""))
    return HTMLResponse(PAGE.format(title=escape(title), body=body, root=root, **_assets()), status)


def refusal(scope: Scope, status: HTTPStatus, reason: str, *, may_retry: bool = False) -> Response:
    """Return the answer to a request that is refused for this reason.

    `may_retry`: offer to load the page again. A browser leaves out the cookie of a session where a link on another
    site leads here, and sends it then.
    """
    if "text/html" not in Headers(scope=scope).get("accept", ""):
        return PlainTextResponse(f"{reason}\n", status)
    retry = '\n<p><a href="">Load again</a></p>' if may_retry else ""
    return page(scope, status.phrase, f"<p>{escape(reason)}</p>{retry}", status)
