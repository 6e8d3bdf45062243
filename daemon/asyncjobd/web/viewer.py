"""Who looks at the page, and what they may do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who may look.

    Attributes:
        name: Who it is, as orders are signed: a unix user, or what the proxy says.
        can_order: True if they may also hold, release, run, cancel, enqueue and pause.
    """

    name: str
    can_order: bool = False


ViewerOf = Callable[[Request], Viewer | Awaitable[Viewer | None] | None]
"""Return who makes a request; None: somebody who may not look. The answer may be awaited."""


class MayNotLook(Exception):
    """Raised by a ViewerOf in place of None, to say why, and what to do about it."""
