"""The steps of the models, and what of the engine each of them stands for.

A comment that begins with "=", or has ": =" in it, names the code of its step, or of all options of its `if`
or `do`:

    atomic {              /* = jobs/claim_jobs.sql, = asyncjobd.engine.jobs.handover.Handover.start */

A name is a query's file, a function or trigger of the schema, or an attribute of a module.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files

from asyncjobd.postgres.statement import query_names
from tests.models.checker import FOLDER

_STEP = re.compile(r"\batomic \{|^inline ")
_NAMES = re.compile(r"= ((?:function |trigger )?[\w./]+)(?=[,. ])")
_COMMENT = re.compile(r"/\*(?: =|.*: =)(.*)\*/")
_CODE = re.compile(r"/\*.*?\*/")
_NO_CODE = re.compile(r"^(?:/\* -+ faults|init )")  # what follows is of the world, or of the model alone
_WORLD = re.compile(r"^proctype (?:Death|ListenerLoss)\(")


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a process of a daemon or a client. `place`: the model and the line."""

    place: str
    names: tuple[str, ...]


def read_steps(model: str) -> Iterator[Step]:
    """Yield the steps of a model, but not those of faults."""
    heads: list[tuple[int, tuple[str, ...]]] = []  # indentation and names of the `if` and `do` around a line
    is_world = False
    for number, line in enumerate((FOLDER / f"{model}.pml").read_text().splitlines(), 1):
        if _NO_CODE.match(line):
            return
        if line.startswith("#") or not line.strip():
            continue
        if line.startswith(("proctype ", "inline ")):
            is_world = _WORLD.match(line) is not None
        names, text = _names_of(line), line.lstrip()
        indentation, is_option = len(line) - len(text), text.startswith("::")
        heads = [head for head in heads if head[0] < indentation + is_option]
        if _CODE.sub("", text).strip() in {"if", "do"}:
            heads.append((indentation, names))
        if _STEP.search(line) and not is_world:
            yield Step(f"{model}.pml:{number}", names or (heads[-1][1] if heads and is_option else ()))


def read_names(model: str) -> set[str]:
    """Return all names of code in a model, those in faults included."""
    return {name for line in (FOLDER / f"{model}.pml").read_text().splitlines() for name in _names_of(line)}


def _names_of(line: str) -> tuple[str, ...]:
    comment = _COMMENT.search(line)
    return () if comment is None else tuple(_NAMES.findall(f"={comment[1]} "))


def exists(name: str) -> bool:
    """Return whether there is such a query, function, trigger or attribute."""
    if name.endswith(".sql"):
        return name.removesuffix(".sql") in query_names()
    kind, _, rest = name.partition(" ")
    if rest:
        schema = files("asyncjobd.postgres") / "schema" / "migrations" / "0001_schema.sql"
        return re.search(rf"^create {kind} {re.escape(rest)}\b", schema.read_text(), re.MULTILINE) is not None
    return _find_attribute(name)


def _find_attribute(name: str) -> bool:
    parts = name.split(".")
    for length in range(len(parts) - 1, 1, -1):
        try:
            found: object = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return True
    return False
