"""Text in a form that PostgreSQL can store, of a readable length."""

import re

MAX_LENGTH = 1_000_000  # characters of an exception or a progress message
MAX_SHORT_LENGTH = 1000  # characters

_UNREADABLE_BYTE = re.compile("[\udc80-\udcff]")  # as Python has it in an argument


def shorten(text: str) -> str:
    """Return the text, without its middle if it is longer than MAX_LENGTH."""
    left_out = len(text) - MAX_LENGTH
    if left_out <= 0:
        return text
    half = MAX_LENGTH // 2
    return f"{text[:half]} ... {left_out:,} characters ... {text[-half:]}"


def storable(text: str) -> str:
    """Return the text without NUL and lone surrogates, which PostgreSQL cannot store."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def short_ascii(text: str) -> str:
    """Return at most MAX_SHORT_LENGTH characters of the text, with question marks for what is not ASCII.

    Databases of every encoding can store it.
    """
    return text.replace("\0", "").encode("ascii", "replace").decode()[:MAX_SHORT_LENGTH]


def escaped_ascii(text: str) -> str:
    """Return the text with escapes such as \\xe9 for what is not ASCII: databases of every encoding can store it."""
    return text.encode("ascii", "backslashreplace").decode().replace("\0", "\\0")


def not_utf8(text: str) -> str:
    """Return what is wrong with an argument that is not UTF-8, which PostgreSQL cannot store; empty: nothing is."""
    found = _UNREADABLE_BYTE.search(text)
    return f"not UTF-8 text: byte 0x{ord(found[0]) - 0xDC00:02x}" if found else ""
