"""Arguments of a program that a row may fill in: "{params.NAME}" within the argv of the configuration.

A value becomes one argument or a part of one, whatever is in it: there is no shell. It must be a text, a number or a
boolean, and is refused where it would make an argument an option ("-x" for "{params.path}"; "--path={params.path}"
takes it). Other braces mean themselves.

What runs is the configuration's: no place may stand in the program, nor in the options, the script or the code of an
interpreter, also behind `env`, `timeout` and the like. What other programs run of their arguments (ssh, find -exec) is
up to the one who configures them.
"""

import os
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import msgspec

LONGEST = 128 * 1024 - 1  # bytes of one argument, of Linux
PLACE = re.compile(r"\{params\.([A-Za-z_][A-Za-z0-9_]*)\}")
INTERPRETER = re.compile(r"([a-z]{0,2}|fi)sh|(python|perl|ruby|php|lua)[\d.]*|node(js)?|[gmn]?awk")
TAKES_VALUE = re.compile(
    r"[-+]\w*[oOXWIr]|--(rcfile|init-file|require|import)"
)  # what follows it is no script yet


def check(argv: Sequence[str]) -> None:
    """Raises ValueError where it cannot be used, or would let a row bring code."""
    if not argv or not argv[0]:
        raise ValueError("argv: expected the program and its arguments")
    for argument in argv:
        if "\0" in argument:
            raise ValueError(f"argv: {argument!r} has a NUL in it")
        if "{params" in PLACE.sub("", argument):
            raise ValueError(f"argv: {argument!r} has a place that is not of the form {{params.name}}")
    for argument in argv[: _fixed(argv)]:
        if PLACE.search(argument):
            raise ValueError(
                f"argv: {argument!r} would let a row choose what runs; give the value as an argument of a fixed program"
            )


def _fixed(argv: Sequence[str]) -> int:
    """How many say what runs: the program; up to an interpreter its options, their values, and its script or code."""
    place = next(
        (place for place, each in enumerate(argv) if INTERPRETER.fullmatch(PurePath(each).name)), None
    )
    if place is None:
        return 1
    place += 1
    while place < len(argv) and (
        argv[place].startswith(("-", "+")) or TAKES_VALUE.fullmatch(argv[place - 1])
    ):
        place += 1
    return place + 1


def fill(argv: Sequence[str], params: Any) -> list[str]:
    """Raises ValueError where a value is missing or cannot be an argument."""
    return [_fill(argument, params) if PLACE.search(argument) else argument for argument in argv]


def _fill(template: str, params: Any) -> str:
    filled = PLACE.sub(lambda place: _text(place[1], params), template)
    name = ", ".join(PLACE.findall(template))
    if filled.startswith("-") and not template.startswith("-"):
        raise ValueError(f"{name}: a value that begins with '-' would be an option of the program")
    if "\0" in filled:
        raise ValueError(f"{name}: there is a NUL in it, which no argument can have")
    if len(os.fsencode(filled)) > LONGEST:
        raise ValueError(
            f"{name}: longer than {LONGEST:,} bytes, the longest argument there is; read it from stdin"
        )
    return filled


def _text(name: str, params: Any) -> str:
    if not isinstance(params, dict) or name not in params:
        raise ValueError(f"{name} is missing")
    value = params[name]
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, list | dict):
        raise ValueError(f"{name}: expected a text, a number or a boolean")
    return msgspec.json.encode(value).decode()
