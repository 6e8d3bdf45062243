"""The answer to a request that is refused: a sentence, as a page for browsers and as text for programs."""

from collections.abc import Mapping
from html import escape
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import Scope

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} · asyncjobd</title>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


def page(
    title: str, body: str, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a page without style or script. `title` is text, `body` is HTML."""
    return HTMLResponse(PAGE.format(title=escape(title), body=body), status, headers)


def refusal(scope: Scope, status: HTTPStatus, reason: str, *, may_retry: bool = False) -> Response:
    """Return the answer to a request that is refused for this reason.

    `may_retry`: offer to load the page again. A browser leaves out the cookie of a session where a link on another
    site leads here, and sends it then.
    """
    if "text/html" not in Headers(scope=scope).get("accept", ""):
        return PlainTextResponse(f"{reason}\n", status)
    retry = '\n<p><a href="">Load again</a></p>' if may_retry else ""
    return page(status.phrase, f"<p>{escape(reason)}</p>{retry}", status)
