"""Arguments of a program that a row fills in: "{params.NAME}" within the argv of the configuration.

A value becomes one argument or a part of one, whatever is in it, as there is no shell. It must be text, a
number or a boolean. It is refused if it would make the argument an option: "-x" for "{params.path}" is, for
"--path={params.path}" it is not. Other braces mean themselves.

The configuration alone decides what runs. A placeholder is refused in the program, and in the options, the
script and the code of an interpreter, also one behind `env`, `timeout` and the like. Some programs run code
from their arguments (ssh, find -exec): who configures them must take care of that.
"""

import os
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import msgspec

LONGEST = 128 * 1024 - 1  # bytes of one argument; the limit of Linux
PLACEHOLDER = re.compile(r"\{params\.([A-Za-z_][A-Za-z0-9_]*)\}")
INTERPRETER = re.compile(r"([a-z]{0,2}|fi)sh|(python|perl|ruby|php|lua)[\d.]*|node(js)?|[gmn]?awk")
# options of interpreters that take the next argument as their value, so that it is not the script
TAKES_VALUE = re.compile(r"[-+]\w*[oOXWIr]|--(rcfile|init-file|require|import)")


def check(argv: Sequence[str]) -> None:
    """Raise ValueError if the arguments cannot be used, or would let a row bring code."""
    if not argv or not argv[0]:
        raise ValueError("argv: expected the program and its arguments")
    for argument in argv:
        if "\0" in argument:
            raise ValueError(f"argv: {argument!r} has a NUL in it")
        if "{params" in PLACEHOLDER.sub("", argument):
            raise ValueError(f"argv: {argument!r} has a placeholder that is not of the form {{params.name}}")
    for argument in argv[: _fixed(argv)]:
        if PLACEHOLDER.search(argument):
            reason = "would let a row choose what runs; give the value as an argument of a fixed program"
            raise ValueError(f"argv: {argument!r} {reason}")


def _fixed(argv: Sequence[str]) -> int:
    """Return how many of the first arguments decide what runs.

    This is the program; if there is an interpreter, all up to it, its options, their values, and its script
    or code.
    """
    interpreters = (index for index, each in enumerate(argv) if INTERPRETER.fullmatch(PurePath(each).name))
    index = next(interpreters, None)
    if index is None:
        return 1
    index += 1
    while index < len(argv) and (
        argv[index].startswith(("-", "+")) or TAKES_VALUE.fullmatch(argv[index - 1])
    ):
        index += 1
    return index + 1


def fill(argv: Sequence[str], params: Any) -> list[str]:
    """Return the arguments with the params filled in. Raise ValueError if one is missing or cannot be an
    argument."""
    return [_fill(argument, params) if PLACEHOLDER.search(argument) else argument for argument in argv]


def _fill(template: str, params: Any) -> str:
    filled = PLACEHOLDER.sub(lambda match: _text(match[1], params), template)
    name = ", ".join(PLACEHOLDER.findall(template))
    if filled.startswith("-") and not template.startswith("-"):
        raise ValueError(f"{name}: a value that begins with '-' would be an option of the program")
    if "\0" in filled:
        raise ValueError(f"{name}: there is a NUL in it, which no argument can have")
    if len(os.fsencode(filled)) > LONGEST:
        raise ValueError(f"{name}: longer than {LONGEST:,} bytes, the longest argument; read it from stdin")
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
