"""Text of rows as a page shows it: nothing in it is markup, and nothing in it is invisible."""

from collections.abc import Iterator
from typing import Any

MOST_SHOWN = 64_000  # characters of one value; the rest is downloaded


def visible(value: Any) -> Any:
    """Return text with control characters, and those that turn text around, written out: \\u202e.

    Every value that a template prints passes through here; what is no text, and markup that a template made itself,
    stays as it is.
    """
    if not isinstance(value, str) or hasattr(value, "__html__") or _is_plain(value):
        return value
    return "".join(each if _is_plain(each) else _escape(each) for each in value)


def segments(text: str | None) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a text, and whether each stands for characters that cannot be seen as they are."""
    part, is_marked = "", False
    for each in text or "":
        marks = not _is_plain(each)
        if marks != is_marked and part:
            yield part, is_marked
            part = ""
        is_marked = marks
        part += _escape(each) if marks else each
    if part:
        yield part, is_marked


def flat(text: str | None) -> str:
    """Return the text in one line."""
    return " ".join((text or "").split())


def _is_plain(text: str) -> bool:
    return text.isprintable() or text.replace("\n", "").replace("\t", "").isprintable()


def _escape(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
