"""What failures have in common: their messages without what differs from one to the next."""

import re

MOST = 160  # characters of a signature
LEAST = 4  # characters of a part that is worth searching for

_VARIES = re.compile(
    r"'[^'\n]{1,200}'|\"[^\"\n]{1,200}\"|\b0x[0-9a-fA-F]+\b|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"
    r"|\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{12,}\b|\d+(?:[.,:]\d+)*"
)
ANY = "…"


def signature_of(message: str | None) -> str:
    """Return the first line of a message, with … in place of numbers, of what is quoted, and of hexadecimal ids."""
    lines = (message or "").strip().splitlines()
    return _VARIES.sub(ANY, lines[0])[:MOST].strip() if lines else ""


def longest_part(signature: str) -> str:
    """Return what to search messages for to find those of a signature; empty where it has nothing of its own."""
    part = max((each.strip() for each in signature.split(ANY)), key=len)
    return part if len(part) >= LEAST else ""
