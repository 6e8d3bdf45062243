"""Style sheets, scripts and pictures, each under a name that changes with its content."""

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
HEADERS = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}


class Asset(NamedTuple):
    content: bytes
    media_type: str


class Assets:
    """The files of static/."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._assets: dict[str, Asset] = {}
        for path, file in _files(files("asyncjobd.web") / "static"):
            stem, _, suffix = path.rpartition(".")
            if suffix in TYPES:
                content = file.read_bytes()
                self._names[path] = f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{suffix}"
                self._assets[self._names[path]] = Asset(content, TYPES[suffix])

    def name(self, path: str) -> str:
        """Return the name, below /static/, of a file. Raise KeyError where there is no such file."""
        return self._names[path]

    async def get(self, request: Request) -> Response:
        """Answer a request for a file."""
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            raise HTTPException(404)
        return Response(asset.content, media_type=asset.media_type, headers=HEADERS)


def _files(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _files(each, f"{prefix}{each.name}/")
        else:
            yield f"{prefix}{each.name}", each
