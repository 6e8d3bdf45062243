"""Queries with named parameters: the files queries/FOLDER/NAME.sql, described in queries/README.md."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

_QUERIES = files("asyncjobd.postgres") / "queries"

SCHEMA = "asyncjob"  # the one that all SQL here is written for

# The alternatives that are not parameters come first: comments, literals, quoted names, casts.
_TOKEN = re.compile(
    r"""--[^\n]* | /\*.*?\*/ | '[^']*' | "[^"]*" | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ | ::
      | :(?P<parameter>[a-z_][a-z0-9_]*)""",
    re.VERBOSE | re.DOTALL,
)


_INCLUDE = re.compile(r"^-- include (\S+)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with PostgreSQL's parameters $1, $2, ..., and their names in the query, in this order."""

    name: str
    sql: str
    parameters: tuple[str, ...]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the values by the position of their parameters.

        Raise TypeError where one is missing, or where the query has no parameter of that name.
        """
        try:
            arguments = [values[parameter] for parameter in self.parameters]
        except KeyError:
            raise self._refusal(values) from None
        if len(arguments) != len(values):
            raise self._refusal(values)
        return arguments

    def _refusal(self, values: Mapping[str, Any]) -> TypeError:
        missing = [name for name in self.parameters if name not in values]
        unknown = [name for name in values if name not in self.parameters]
        wrong = [f"no value for :{name}" for name in missing] + [f"no parameter :{name}" for name in unknown]
        return TypeError(f"query {self.name}: {', '.join(wrong)}")


class Style(StrEnum):
    """How a driver writes the parameters of a statement. The engine's own, asyncpg, has `Statement`."""

    PYFORMAT = "%(name)s"  # psycopg, Django and others by PEP 249; percent signs are doubled
    NAMED = ":name"  # text() of SQLAlchemy, which takes no casts as they are, nor comments with colons


@cache
def load_statement(name: str, schema: str = SCHEMA) -> Statement:
    """Return the statement of queries/NAME.sql for this schema."""
    return translate(name, in_schema(read_query(name), schema))


@cache
def styled_query(name: str, schema: str, style: Style) -> str:
    """Return the text of queries/NAME.sql for this schema, with parameters in the driver's style."""

    def written(match: re.Match[str]) -> str:
        parameter, text = match["parameter"], match[0]
        if style is Style.PYFORMAT:
            return f"%({parameter})s" if parameter else text
        if text.startswith("--"):
            return ""
        return r"\:\:" if text == "::" else text

    text = in_schema(read_query(name), schema)
    return _TOKEN.sub(written, text.replace("%", "%%") if style is Style.PYFORMAT else text)


def read_query(name: str) -> str:
    """Return the text of queries/NAME.sql, where NAME has its folder: "jobs/claim_jobs".

    A line `-- include NAME` stands for the text of another file, which several statements share.
    """
    text = (_QUERIES / f"{name}.sql").read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda match: read_query(match[1]), text)


def query_names() -> list[str]:
    """Return the names of all queries, with their folders."""
    folders = [folder for folder in _QUERIES.iterdir() if folder.is_dir()]
    found = [f"{folder.name}/{file.name}" for folder in folders for file in folder.iterdir()]
    return sorted(name.removesuffix(".sql") for name in found if name.endswith(".sql"))


def translate(name: str, text: str) -> Statement:
    """Return the statement with each :parameter as $1, $2, ... in the order in which they first come."""
    numbers: dict[str, int] = {}

    def numbered(match: re.Match[str]) -> str:
        parameter = match["parameter"]
        return match[0] if parameter is None else f"${numbers.setdefault(parameter, len(numbers) + 1)}"

    sql = _TOKEN.sub(numbered, text)
    return Statement(name, sql, tuple(numbers))


def in_schema(text: str, schema: str) -> str:
    """Return SQL that is written for the schema asyncjob as it is for another one."""
    return text if schema == SCHEMA else re.sub(r"\basyncjob(?![a-z])", schema, text)
