"""Statements with {name} in them, each bound to a param of the job."""

import re
from functools import cache
from typing import Any

_LEXEME = re.compile(
    r"""
    \b[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$
    | --[^\n]* | /\*.*?\*/
    | \{(?P<name>[^\W\d]\w*)\} | (?P<wrong>[{}] | \$\d+ | ;\s*\S)
    """,
    re.VERBOSE | re.DOTALL,
)
_WRONG = {
    "{": "a param is written as {name}",
    "}": "a param is written as {name}",
    "$": "a param is written as {name}",
    ";": "expected one statement",
}
_ENDS_TRANSACTION = re.compile(
    r"""
    (?: \s | --[^\n]* | /\*.*?\*/ )*
    (?P<command> abort | begin | commit | end | prepare\s+transaction | release | rollback | savepoint | start )\b
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


@cache
def bind(statement: str) -> tuple[str, frozenset[str]]:
    """Return the statement with each {name} as an expression of $1, the job's params as jsonb, and the names.

    Quoted texts and comments are left alone. Raise ValueError if it is not one statement, or would end the
    job's transaction.
    """
    if not statement.strip():
        raise ValueError("statement: expected one statement of SQL, got an empty text")
    if match := _ENDS_TRANSACTION.match(statement):
        command = match["command"]
        raise ValueError(f"statement: {command!r} would end the transaction of the job, which ends by itself")
    names: set[str] = set()

    def bound(lexeme: re.Match[str]) -> str:
        if lexeme["wrong"]:
            raise ValueError(f"statement: {lexeme['wrong']!r}: {_WRONG[lexeme['wrong'][0]]}")
        if not lexeme["name"]:
            return lexeme[0]
        names.add(lexeme["name"])
        return f"($1::jsonb ->> '{lexeme['name']}')"

    return _LEXEME.sub(bound, statement), frozenset(names)


def misfit(names: frozenset[str], params: dict[str, Any]) -> str | None:
    """Return why the params are not those of the statement; None if they are."""
    missing, unknown = sorted(names - params.keys()), sorted(params.keys() - names)
    if missing:
        return f"params do not fit the statement: {', '.join(missing)} missing"
    if unknown:
        takes = f"it takes {', '.join(sorted(names))}" if names else "it takes none"
        return f"params do not fit the statement: unknown {', '.join(unknown)[:200]}; {takes}"
    return None
