"""A page: what it shows, and how that is drawn."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from starlette.convertors import Convertor, register_url_convertor

from asyncjobd.monitoring.overview import LastHour, Overview
from asyncjobd.monitoring.run import Run

LIVE = 1.0  # seconds between two looks
LISTS = 2.0


class AnyText(Convertor[str]):
    """A part of a path that may have anything in it, also slashes and line ends: {name:text}."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class JobId(Convertor[int]):
    """The id of a job in a path: {job_id:job}."""

    regex = "[0-9]+"

    def convert(self, value: str) -> int:
        """Return the id. Raise NotFound for one that PostgreSQL has no number for."""
        job_id = int(value)
        if job_id.bit_length() > 63:
            raise NotFound(f"{value} is too large for the id of a job.")
        return job_id

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("text", AnyText())
register_url_convertor("job", JobId())


class Model(msgspec.Struct, kw_only=True):
    """What a page shows. `title`: what the page is about, in a few words."""

    title: str


class NotFound(Exception):
    """What a page is about is not there; the text says what."""


class Unclear(Exception):
    """A question that cannot be answered as it is put; the text says why."""


class Moved(Exception):
    """The answer is on another page; the text is its path."""


@dataclass(frozen=True)
class Asked:
    """What a page is asked for: its path and its query; `fetch` runs queries/QUERY.sql, by name and arguments.

    `hide`: the patterns of names whose values nobody sees. `last_hour`: the history that all pages share. `overview`:
    what the overview has seen last, for pages with `uses_overview`; it may be some seconds old, and is None where it
    could not be seen.
    """

    fetch: Run
    path: Mapping[str, Any]
    query: Mapping[str, str]
    now: datetime
    hide: Sequence[str] = ()
    last_hour: LastHour = field(default_factory=LastHour)
    overview: Overview | None = None


View = Callable[[Asked], Awaitable[Model]]


@dataclass(frozen=True)
class Page:
    """A page at a path, such as /jobs/{job_id:job}; templates/NAME.html draws what `view` returns."""

    path: str
    name: str
    view: View
    pace: float
    parameters: tuple[str, ...] = ()  # of the query; others are left out
    in_menu: str = ""  # its name there
    reads: bool = True  # whether `view` runs statements, and so gets a transaction
    uses_overview: bool = False  # whether `view` gets what the overview has seen
