"""Terms of a selection, as the search box takes them."""

import re


def term(word: str, value: str) -> str:
    """Return WORD:VALUE, quoted where that is needed."""
    if re.fullmatch(r'[^\s"]+', value):
        return f"{word}:{value}"
    escaped = re.sub(r'(["\\])', r"\\\1", value)
    return f'{word}:"{escaped}"'
