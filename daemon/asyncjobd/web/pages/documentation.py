"""The documentation of this version."""

import re
from collections.abc import Iterable
from functools import cache
from posixpath import dirname, normpath

from markdown_it import MarkdownIt
from markdown_it.token import Token

from asyncjobd.monitoring.documentation import SECTIONS, find, guesses, pages
from asyncjobd.web.page import Asked, Model, NotFound, Page

PACE = 3600.0  # seconds: it changes with the version alone
TOPIC = re.compile(r"^(?P<path>[\w./-]+)\.md(?P<place>#.*)?$")

MARKS = re.compile(r"`|\[([^]]*)\]\([^)]*\)")  # of Markdown, which a line of the list leaves out


class Topic(Model):
    """A page, in the list of all."""

    path: str
    summary: str


class HelpModel(Model):
    """The topics by their sections, where `words` were searched for those that have them."""

    sections: dict[str, list[Topic]]
    words: str


class TopicModel(Model):
    """One page, as HTML, in which links to others begin with ROOT."""

    path: str
    html: str


async def contents(asked: Asked) -> HelpModel:
    """Return the topics, or those that have all the words of a search."""
    words = asked.query.get("words", "").lower().split()
    found = [page for page in pages() if all(word in page.text.lower() for word in words)]
    sections = {
        title: [
            Topic(title=page.title, path=page.topic, summary=MARKS.sub(r"\1", page.summary))
            for page in found
            if page.topic.startswith(f"{section}/")
        ]
        for section, title in SECTIONS.items()
    }
    return HelpModel(
        title="Help",
        sections={title: topics for title, topics in sections.items() if topics},
        words=" ".join(words),
    )


async def topic(asked: Asked) -> TopicModel:
    """Return a page. Raise NotFound, with the topics that may be meant."""
    wanted, among = asked.path["topic"], pages()
    found = find(wanted, among)
    if len(found) != 1:
        close = [page.topic for page in found] or guesses(wanted, among)
        hint = f"Did you mean {' or '.join(close)}?" if close else "The page of all topics can search them."
        raise NotFound(f"There is no topic {wanted}. {hint}")
    return TopicModel(title=found[0].title, path=found[0].topic, html=html_of(found[0].topic))


@cache
def html_of(path: str) -> str:
    """Return a page of ours as HTML; there is none in its Markdown. Links to other pages begin with ROOT."""
    (page,) = (each for each in pages() if each.topic == path)
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(page.text)
    _adapt(tokens, path)
    html: str = markdown.renderer.render(tokens, markdown.options, {})
    return html.replace("<pre>", '<pre tabindex="0">').replace("<th>", '<th scope="col">')


def _adapt(tokens: Iterable[Token], path: str) -> None:
    """Let links between pages lead to pages here; a picture is left out, and its description stands for it."""
    for token in tokens:
        if token.type == "link_open" and (match := TOPIC.match(str(token.attrGet("href")))):
            target = normpath(f"{dirname(path)}/{match['path']}")
            token.attrSet("href", f"ROOT/help/{target}{match['place'] or ''}")
        elif token.type == "image":
            token.type = "text"
        _adapt(token.children or (), path)


CONTENTS = Page("/help", "help", contents, PACE, parameters=("words",), in_menu="Help", reads=False)
PAGE = Page("/help/{topic:path}", "topic", topic, PACE, reads=False)
