"""Reads a file of TOML, and tells in plain words where its syntax is wrong."""

import re
import tomllib
from pathlib import Path
from typing import Any

from asyncjobd.config.errors import ConfigError

_ERROR = re.compile(
    r"(?P<what>.*?)(?: \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\))?", re.DOTALL
)
_KEY = re.compile(r"\s*([\w.-]+)\s*=\s*")
_NO_QUOTE = re.compile(r"Illegal character '\\n'|Unterminated string|Expected [\"']['\"]+[\"']$")
_MEANINGS = (
    (_NO_QUOTE, "a quote is missing at the end of a text"),
    (re.compile(r"Expected '=' after a key"), 'expected "=" after the key'),
    (re.compile(r"Expected '\]"), 'a "]" is missing after the name of a table'),
    (re.compile(r"Unclosed array"), 'a "]" or a comma is missing in a list'),
    (
        re.compile(r"Unclosed inline table"),
        'a "}" or a comma is missing in a table, which must be on one line',
    ),
    (re.compile(r"Cannot overwrite a value"), "the key or table is there twice"),
    (re.compile(r"Cannot declare \(.*\) twice"), "the table is there twice"),
    (re.compile(r"Duplicate inline table key"), "the key is there twice"),
    (re.compile(r"Unescaped '\\' in a string"), r"a backslash in double quotes is written as \\"),
    (re.compile(r"Invalid statement|Invalid initial character"), 'expected "[table]" or "key = value"'),
)


def read_toml(path: Path) -> dict[str, Any]:
    """Return the contents of a file. Raise ConfigError if it cannot be read or is not TOML."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text: byte {error.start} cannot be read") from error
    if text.startswith("\ufeff"):
        raise ConfigError(f"{path}: it begins with a byte order mark: save it as UTF-8 without one")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {_in_words(str(error), text.splitlines())}") from error


def _in_words(error: str, lines: list[str]) -> str:
    """Return place and reason. The line itself is not shown, as there may be a password in it."""
    match = _ERROR.fullmatch(error)
    assert match is not None
    what = match["what"]
    if match["line"] is None:
        where, line, column = "at the end of the file", lines[-1] if lines else "", 0
    else:
        number, column = int(match["line"]), int(match["column"])
        where, line = f"line {number}, column {column}", lines[number - 1] if number <= len(lines) else ""
    key = _KEY.match(line)
    return f"{where}: {f'{key[1]}: ' if key else ''}{_reason(what, line, key)}"


def _reason(what: str, line: str, key: re.Match[str] | None) -> str:
    if what == "Invalid value" and key is not None:
        return _wrong_value(line[key.end() :])
    if what.startswith("Expected newline or end of document") and key is not None:
        value = line[key.end() :].partition("#")[0].strip()
        if value[:1].isdigit():
            return f'text has quotes around it: write "{value}"'
        return "one value is expected, and then a new line"
    for pattern, meaning in _MEANINGS:
        if pattern.match(what):
            return meaning
    return f"not valid TOML: {what}"


def _wrong_value(value: str) -> str:
    if not value:
        return 'a value is missing after "="'
    if value.split()[0].lower() in {"true", "false"}:
        return "true and false are written in small letters"
    if value[0].isalpha():
        return "text has quotes around it"
    return "not a value of TOML"
