"""Markdown tables whose cells come partly from the code, and partly from whoever wrote the page.

A table names things in its first column, one or more a row. Cells of the columns that the code knows are renewed; the
rows, their order and all other cells stay as they were written.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.docs.snippets import text_of

Facts = Mapping[str, Mapping[str, str]]  # by name: what the code says, by the heading of its column

_NAME = re.compile(r"`([^`]+)`")
_TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)


@dataclass(frozen=True)
class Table:
    """The tables of a page, below some of its headings (none: those before the first), that name all of the facts."""

    page: str
    headings: Sequence[str]
    facts: Facts

    def renew(self, text: str) -> str:
        """Return the page's text with the cells renewed. Raise LookupError for a fact without a row, or the reverse."""
        named: set[str] = set()

        def renew_row(columns: list[str], line: str) -> str:
            cells = split(line)
            names = _NAME.findall(cells[0])
            named.update(names)
            if unknown := [name for name in names if name not in self.facts]:
                raise LookupError(
                    f"docs/{self.page}.md has a row of {', '.join(unknown)}, which the code has not"
                )
            for number, column in enumerate(columns):
                told = [self.facts[name][column] for name in names if column in self.facts[name]]
                if told:
                    cells[number] = ", ".join(dict.fromkeys(told))
            return f"| {' | '.join(cells)} |".replace("|  |", "| |")

        for heading in self.headings or [""]:
            before, section, after = section_of(text, heading)
            section = _TABLE.sub(lambda table: _renewed(table[0], renew_row), section)
            text = before + section + after
        if missing := self.facts.keys() - named:
            raise LookupError(
                f"docs/{self.page}.md: expected rows of {', '.join(sorted(missing))}"
                f" below {' or '.join(self.headings) or 'its title'}: write what they mean"
            )
        return text

    def untold(self, text: str) -> list[str]:
        """Return the rows of which nothing is said beside what the code says."""
        known = {column for told in self.facts.values() for column in told}
        rows = []
        for heading in self.headings or [""]:
            for table in _TABLE.findall(section_of(text, heading)[1]):
                columns = split(table.splitlines()[0])
                rows += [
                    line
                    for line in table.splitlines()[2:]
                    if not any(
                        cell
                        for name, cell in zip(columns[1:], split(line)[1:], strict=True)
                        if name not in known
                    )
                ]
        return rows


def names_of(page: str, heading: str) -> set[str]:
    """Return the names in the first column of the tables below a heading of a page."""
    _, section, _ = section_of(text_of(page), heading)
    rows = [line for table in _TABLE.findall(section) for line in table.splitlines()[2:]]
    return {name for row in rows for name in _NAME.findall(split(row)[0])}


def section_of(text: str, heading: str) -> tuple[str, str, str]:
    """Return what is before the section of a heading ("": the one before the first), the section, and what is after."""
    parts = re.split(r"^## (.*)$\n", text, flags=re.MULTILINE)
    titles = ["", *parts[1::2]]
    if heading not in titles:
        raise LookupError(f"there is no heading {heading!r}")
    number = 2 * titles.index(heading)
    start = len("".join(f"## {part}\n" if index % 2 else part for index, part in enumerate(parts[:number])))
    end = start + len(parts[number])
    return text[:start], text[start:end], text[end:]


def split(line: str) -> list[str]:
    """Return the cells of a row."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def _renewed(table: str, renew_row: Callable[[list[str], str], str]) -> str:
    heading, rule, *rows = table.splitlines()
    columns = split(heading)
    return "\n".join([heading, rule, *(renew_row(columns, row) for row in rows)]) + "\n"
