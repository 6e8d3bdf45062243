"""The documentation that was installed with the package, page by page."""

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable

SECTIONS = {
    "start": "Start",
    "howto": "How to",
    "reference": "Reference",
    "why": "Why",
    "runbook": "When something is wrong",
}
MOST_GUESSES = 5  # topics that are offered where one is not found
NOTES = re.compile(r"^<!--.*-->\n", re.MULTILINE)  # they are for the tests of the documentation


@dataclass(frozen=True)
class Page:
    """A page of the documentation. `topic` is its path without the suffix, such as "howto/http"."""

    topic: str
    file: Traversable

    @cached_property
    def text(self) -> str:
        """The page as Markdown."""
        return NOTES.sub("", self.file.read_text(encoding="utf-8"))

    @property
    def name(self) -> str:
        """The last part of the topic."""
        return self.topic.rpartition("/")[2]

    @property
    def title(self) -> str:
        """The first heading."""
        return self.text.partition("\n")[0].removeprefix("# ").strip()

    @property
    def summary(self) -> str:
        """The first sentence."""
        paragraph = " ".join(self.text.split("\n\n")[1].split())
        return re.split(r"(?<=[.?])\s", paragraph, maxsplit=1)[0].rstrip(":")


def pages() -> list[Page]:
    """Return all pages, in the order of SECTIONS and by name."""
    root = files("asyncjobd") / "docs"
    return [
        Page(f"{section}/{file.name.removesuffix('.md')}", file)
        for section in SECTIONS
        for file in sorted((root / section).iterdir(), key=lambda file: file.name)
        if file.name.endswith(".md")
    ]


def find(wanted: str, among: Sequence[Page]) -> list[Page]:
    """Return the pages that a topic may mean: one where it is its path, its name, or a part of one page alone."""
    words = plain(wanted.removesuffix(".md"))
    meant: tuple[Callable[[Page], bool], ...] = (
        lambda page: words == plain(page.topic),
        lambda page: words == plain(page.name),
        lambda page: words in plain(page.topic),
        lambda page: words in plain(page.title),
    )
    found: list[Page] = []
    for is_meant in meant:
        found = found or [page for page in among if is_meant(page)]
    return found


def guesses(wanted: str, among: Sequence[Page]) -> list[str]:
    """Return the topics whose names are the most like the one that was not found."""
    names = {plain(page.name): page.topic for page in among}
    close = difflib.get_close_matches(plain(wanted).rpartition("/")[2], names, MOST_GUESSES)
    return [names[name] for name in close]


def plain(text: str) -> str:
    """Return a topic as it is compared: in lower case, with spaces in place of _ and -."""
    return re.sub(r"[\s_-]+", " ", text.strip().lower())
