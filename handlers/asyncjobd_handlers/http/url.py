"""The url of a request: a template whose host no row can change, or a url that is all the row's."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

import httpx

from asyncjobd_handlers.http.hosts import Origin
from asyncjobd_handlers.template import PLACEHOLDER, fill

LONGEST_LABEL = 63  # bytes between two dots of the name of a host

_PARTS = re.compile(r"(https?://[^/?#\\]+)([^?#]*)(?:\?([^#]*))?")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")  # parsers of urls disagree on these


class UrlTemplate:
    """A url with {param} in its path and query. `origin` is None if the row gives the whole url."""

    def __init__(self, text: str) -> None:
        """Raise ValueError if a row could change the host."""
        self.origin: Origin | None = None
        self._text = text
        self._path = self._query = ""
        if PLACEHOLDER.fullmatch(text):
            return
        parts = _PARTS.fullmatch(text)
        if parts is None or _FORBIDDEN.search(text):
            raise ValueError("expected https://host/path?query, or one {param} that is all of it")
        if "${" in text:
            raise ValueError("a secret in a url ends in logs: put it into a header")
        if PLACEHOLDER.search(parts[1]):
            raise ValueError("a param may stand in the path or the query, or be all of the url")
        self.origin = Origin.parse(parts[1])
        if self.origin.is_pattern:
            raise ValueError("it names no single host")
        self._text, self._path, self._query = parts[1], parts[2] or "/", parts[3] or ""

    def fill(self, params: Mapping[str, Any]) -> httpx.URL:
        """Return the url with its params. Raise ValueError if one is missing or would change the path's
        structure."""
        if self.origin is None:
            return _given(fill(self._text, params))
        path = fill(self._path, params, _segment)
        if any(part in {".", ".."} for part in re.split(r"[/\\]", unquote(path))):
            raise ValueError(f"the path {path!r} leads elsewhere")
        query = fill(self._query, params, _quoted)
        return httpx.URL(f"{self._text}{path}" + (f"?{query}" if query else ""))


def _given(text: str) -> httpx.URL:
    """Return the url of a row. Raise ValueError."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ValueError(f"{text!r} is no url: {error}") from error
    if _FORBIDDEN.search(text) or url.scheme not in {"http", "https"} or not url.host or url.userinfo:
        raise ValueError(f"{text!r} is not of the form https://host/path?query")
    if any(not 1 <= len(label) <= LONGEST_LABEL for label in url.raw_host.removesuffix(b".").split(b".")):
        raise ValueError(f"{text!r}: a part of the name of the host is empty or too long")
    return url


def _segment(value: str) -> str:
    if not value:
        raise ValueError("a param of the path is empty")
    return _quoted(value)


def _quoted(value: str) -> str:
    return quote(value, safe="")
