"""The fenced snippets of README.md and of daemon/asyncjobd/docs, by page and by name.

HTML comments on the lines before a fence say what readers need not see:

    <!-- snippet: first-job -->     its name, by which a test finds it
    <!-- file: compress.sh -->      the file that it is; Python and TOML say so in a first line such as "# config.toml"
    <!-- setup: start/first_job --> the page whose files are there before this one's
    <!-- not run: REASON -->        why nothing runs it here
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sybil import Document, Example, Region
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "daemon" / "asyncjobd" / "docs"
PAGES = [README, *sorted(DOCS.rglob("*.md"))]

_NOTE = re.compile(r"<!-- ([a-z ]+): (.+) -->")
_FILE = re.compile(r"# ([\w./]+\.(?:py|toml))\n")
_KEYS = {"snippet", "file", "setup", "not run"}


@dataclass(frozen=True)
class Snippet:
    """A fence, and the notes that stand before it."""

    page: Path
    line: int
    language: str
    text: str
    notes: dict[str, str]

    @property
    def name(self) -> str | None:
        return self.notes.get("snippet")

    @property
    def is_run(self) -> bool:
        return "not run" not in self.notes

    @property
    def file(self) -> str | None:
        """The path of the file that this is; None where it is not one."""
        if "file" in self.notes:
            return self.notes["file"]
        named = _FILE.match(self.text)
        return named[1] if named else None


def parse(document: Document) -> Iterator[Region]:
    """Sybil's parser: each fence is an example for the story in the document's namespace."""
    for lexed in FencedCodeBlockLexer(r"\w*")(document):
        before = document.text[: lexed.start].splitlines()
        notes: dict[str, str] = {}
        while before and (note := _NOTE.fullmatch(before.pop())) is not None:
            notes[note[1]] = note[2]
        line = document.text.count("\n", 0, lexed.start) + 1
        assert notes.keys() <= _KEYS, f"{document.path}:{line}: expected notes of {_KEYS}"
        snippet = Snippet(
            Path(document.path), line, lexed.lexemes["language"], str(lexed.lexemes["source"].text), notes
        )
        yield Region(lexed.start, lexed.end, parsed=snippet, evaluator=_evaluate)


def _evaluate(example: Example) -> str | None:
    failure: str | None = example.namespace["story"].tell(example.parsed)
    return failure


@cache
def read(page: Path) -> tuple[Snippet, ...]:
    """Return the snippets of a page."""
    return tuple(example.parsed for example in Document.parse(str(page), parse))


def named(name: str) -> Snippet:
    """Return the snippet of this name, of whatever page."""
    (found,) = [snippet for page in PAGES for snippet in read(page) if snippet.name == name]
    return found


def text_of(page: str) -> str:
    """Return the text of a page of the documentation, such as "reference/columns"."""
    return (DOCS / f"{page}.md").read_text()
