"""JSON as PostgreSQL wrote it, laid out for people, with the values of some names hidden.

It stays text all the way: no number is rounded, and one that is cut off is shown as far as it goes.
"""

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Any, NamedTuple

import msgspec

HIDDEN = "(hidden)"
DEEPEST = 20  # values that are nested deeper stay in one line: else it takes the square of the text

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[{}\[\]:,]|[^\s{}\[\]:,"]+')


class Token(NamedTuple):
    """A piece of the text. `kind`: k a name, s a string, h something hidden, or empty."""

    kind: str
    text: str


def laid_out(text: str, hidden: Sequence[str]) -> list[Token]:
    """Return JSON in lines of one value each; `hidden`: patterns of the names whose values are left out."""
    tokens, depth = [], 0
    for token, is_first in _with_places(_without(text, hidden)):
        is_end = token.text in {"}", "]"}
        depth = max(depth - is_end, 0)
        if is_first != is_end:  # an empty value stays in one line
            tokens.append(Token("", _line(depth)))
        if token.text == ",":
            tokens.append(Token("", "," + (_line(depth) or " ")))
        else:
            tokens.append(Token("", ": ") if token.text == ":" else token)
        depth += token.text in {"{", "["}
    return [
        Token(kind, "".join(token.text for token in group))
        for kind, group in groupby(tokens, key=lambda token: token.kind)
    ]


def _line(depth: int) -> str:
    return "\n" + "  " * depth if depth <= DEEPEST else ""


def compact(text: str, hidden: Sequence[str]) -> str:
    """Return JSON as it was written, but for what is hidden."""
    pieces = {":": ": ", ",": ", "}
    return "".join(pieces.get(token.text, token.text) for token in _without(text, hidden))


def write_only(schema: str | None) -> list[str]:
    """Return the names whose values a JSON Schema marks as writeOnly."""
    return [] if not schema else list(_marked(msgspec.json.decode(schema)))


def _marked(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for each in schema:
            yield from _marked(each)
    elif isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            for name, of_it in properties.items():
                if isinstance(of_it, dict) and of_it.get("writeOnly") is True:
                    yield re.sub(r"([\[*?])", r"[\1]", name)
        for each in schema.values():
            yield from _marked(each)


def _with_places(tokens: Iterator[Token]) -> Iterator[tuple[Token, bool]]:
    """Yield each token, and whether it is the first after an opening bracket."""
    before = ""
    for token in tokens:
        yield token, before in {"{", "["}
        before = token.text


def _without(text: str, hidden: Sequence[str]) -> Iterator[Token]:
    """Yield the tokens; in place of a hidden value one that says so."""
    nested: list[str] = []  # the brackets that are open
    # left_out: how many brackets are open around the hidden value; 0: nothing is being left out
    is_name, left_out = False, 0
    for match in _TOKEN.finditer(text):
        piece = match[0]
        if piece in "}]" and nested:
            nested.pop()
        if left_out and (len(nested) < left_out or (piece == "," and len(nested) == left_out)):
            left_out = 0
        if piece in "{[":
            nested.append(piece)
        is_of_object = bool(nested) and nested[-1] == "{"
        if piece in "{,":
            is_name = is_of_object
        if left_out:
            continue
        if piece.startswith('"') and is_name:
            is_name = False
            yield Token("k", piece)
            if is_hidden(piece.strip('"'), hidden):
                yield Token("", ":")
                yield Token("h", HIDDEN)
                left_out = len(nested)
        else:
            yield Token("s" if piece.startswith('"') else "", piece)


def is_hidden(name: str, hidden: Sequence[str]) -> bool:
    """Return whether the values of a name are left out."""
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in hidden)
