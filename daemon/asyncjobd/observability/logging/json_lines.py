"""A renderer of log events as JSON lines: timestamp, level and event, then the fields that are not None.

A value that cannot be encoded is written as text: a log call never fails the code that makes it.
"""

import time
from typing import Any

import msgspec


class JsonLines:
    """A structlog processor that renders an event as a JSON line; the last processor of the chain."""

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder(enc_hook=repr)
        # The last second and its text. One attribute, so that threads that share it see both of one second.
        self._second_and_text = (0, "")

    def __call__(self, _logger: Any, _method: str, event: dict[str, Any]) -> bytes:
        first = self._first_fields(event.pop("level"), event.pop("event", None))
        line = first | {key: value for key, value in event.items() if value is not None}
        try:
            return self._encoder.encode(line) + b"\n"
        except Exception:
            return self._encoder.encode(as_plain(line)) + b"\n"

    def render(self, level: str, event: str, lines: list[dict[str, Any]]) -> bytes:
        """Return many lines of one event, encoding what they have in common once."""
        first = self._encoder.encode(self._first_fields(level, event))[:-1] + b","
        # An encoded line contains no line feed, so each one here starts a line.
        return first + self._encoder.encode_lines(lines)[1:].replace(b"\n{", b"\n" + first)

    def _first_fields(self, level: str, event: object) -> dict[str, Any]:
        """Return the fields of every line. The time is as of structlog's TimeStamper, made faster."""
        now = time.time()
        second = int(now)
        last_second, text = self._second_and_text
        if second != last_second:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second_and_text = (second, text)
        return {"timestamp": f"{text}.{int((now - second) * 1e6):06d}Z", "level": level, "event": event}


def as_plain(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event in a form that can always be encoded: numbers as they are, other values as text."""
    return {
        as_text(key): value if isinstance(value, int | float) else as_text(value)
        for key, value in event.items()
    }


def as_text(value: object) -> str:
    """Return any value as text that UTF-8 can encode.

    A file name that is not UTF-8 has characters that it cannot encode, and the value's own __str__ may raise.
    """
    try:
        text = str(value)
    except Exception as error:
        text = f"{type(value).__name__}, whose text cannot be had: {type(error).__name__}"
    return text.encode("utf-8", "backslashreplace").decode()
