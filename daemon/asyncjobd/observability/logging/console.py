"""A renderer of log events for terminals. It shows a job's traceback below the line, as that of an exception.

A value that cannot be shown is replaced by text that says so: a log call never fails the code that makes it.
"""

import sys
from contextlib import suppress
from typing import Any

import structlog

from asyncjobd.observability.logging.json_lines import as_text


class Console:
    """A structlog processor that renders an event as a line; the last processor of the chain."""

    def __init__(self) -> None:
        self._stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
        self._render = structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())

    def __call__(self, logger: Any, method: str, event: dict[str, Any]) -> bytes:
        if "traceback" in event:
            event["exception"] = event.pop("traceback")
        event = {key: value for key, value in event.items() if value is not None}
        self._stamp(logger, method, event)
        with suppress(Exception):
            return _encoded(self._render(logger, method, dict(event)))
        told = structlog.processors.format_exc_info(logger, method, event)
        return _encoded(self._render(logger, method, {as_text(key): as_text(told[key]) for key in told}))


def _encoded(line: str) -> bytes:
    return f"{line}\n".encode("utf-8", "backslashreplace")
