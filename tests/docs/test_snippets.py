"""Every snippet of README.md and of the documentation is run, every link leads somewhere."""

import re
from collections import Counter
from pathlib import Path

import pytest
from sybil import Document

from tests.conftest import NewDatabase
from tests.docs.snippets import PAGES, README, ROOT, parse, read
from tests.docs.story import Story

LONGEST_README = 200  # lines
FENCES = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
RUN = [page for page in PAGES if any(snippet.is_run for snippet in read(page))]


def title(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", RUN, ids=title)
def test_every_snippet_of_a_page_does_what_it_says(
    page: Path, new_database: NewDatabase, postgres_bin: Path, tmp_path: Path
) -> None:
    document = Document.parse(str(page), parse)
    document.namespace["story"] = Story(tmp_path, new_database, postgres_bin)
    for example in document:
        example.evaluate()


def test_readme_fits_on_a_few_screens() -> None:
    assert len(README.read_text().splitlines()) <= LONGEST_README


def test_names_of_snippets_are_unique() -> None:
    names = Counter(snippet.name for page in PAGES for snippet in read(page) if snippet.name)
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("page", PAGES[1:], ids=title)
def test_page_opens_with_its_title_and_a_summary(page: Path) -> None:
    heading, empty, summary, *_ = page.read_text().splitlines()
    assert re.fullmatch(r"# \S.*", heading)
    assert empty == ""
    assert re.match(r"[A-Z`]|asyncjobd ", summary)
    assert len(re.findall(r"^# ", FENCES.sub("", page.read_text()), re.MULTILINE)) == 1


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.*)$", FENCES.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(FENCES.sub("", page.read_text())):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{title(page)}: {link}"
        assert not anchor or anchor in anchors(target), f"{title(page)}: {link}"
