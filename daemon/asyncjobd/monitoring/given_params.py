"""Params as people write them, in an argument of a command or in a form."""

import re
from itertools import accumulate
from typing import Any

import msgspec

from asyncjobd.config.words import shown
from asyncjobd.postgres.text import not_utf8

MOST_NESTED = 200  # levels, which leaves a handler enough of the interpreter's stack

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?')
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


def read_params(text: str) -> Any:
    """Return the value of a JSON text. Raise ValueError for one that is none, or that no row or handler takes."""
    if problem := not_utf8(text):
        raise ValueError(f"params are {problem}")
    if _NUL.search(text):
        raise ValueError(r"params have \u0000, which PostgreSQL cannot store")
    if max(accumulate(_STEPS.get(each, 0) for each in _STRING.sub("", text)), default=0) > MOST_NESTED:
        raise ValueError(f"params are nested in more than {MOST_NESTED} levels")
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ValueError(f"params {shown(text)} are not JSON: {error}") from error
