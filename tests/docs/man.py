"""Man pages of Markdown, in the man(7) language: of what the documentation uses of CommonMark, and tables."""

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from asyncjobd import __version__

DATE = "2026-11-28"  # of this version's pages
WIDTH = 78  # characters of a line of source

_ESCAPES = str.maketrans({"\\": r"\e", "~": r"\(ti", "^": r"\(ha"})
_CODE_ESCAPES = _ESCAPES | str.maketrans({"-": r"\-", "'": r"\(aq", "`": r"\(ga"})
_PARSER = MarkdownIt("commonmark", {"html": True}).enable("table")


@dataclass(frozen=True)
class ManPage:
    """A page of the manual. `markdown`: its sections, each below a heading of the second level."""

    name: str  # "asyncjobd-run"
    section: int
    summary: str
    markdown: str
    see_also: tuple[str, ...] = ()  # "asyncjobd(1)"

    @property
    def file(self) -> str:
        return f"man{self.section}/{self.name}.{self.section}"

    def render(self) -> str:
        """Return the source of the page."""
        title = self.name.upper().translate(_CODE_ESCAPES)
        lines = [
            f'.TH {title} {self.section} "{DATE}" "asyncjobd {__version__}" "asyncjobd"',
            ".SH NAME",
            rf"{self.name.translate(_CODE_ESCAPES)} \- {_text(self.summary)}",
            *_blocks(SyntaxTreeNode(_PARSER.parse(self.markdown)).children),
        ]
        if self.see_also:
            references = (_reference(*each.removesuffix(")").split("(")) for each in self.see_also)
            lines += [".SH SEE ALSO", *_wrapped(", ".join(references))]
        return "\n".join(lines) + "\n"


def _reference(name: str, section: str) -> str:
    return f"{_bold(name.translate(_CODE_ESCAPES))}({section})"


def _blocks(nodes: list[SyntaxTreeNode]) -> Iterator[str]:
    """Yield the lines of nodes; a paragraph that follows a heading needs no macro."""
    is_first = True
    for node in nodes:
        match node.type:
            case "heading":
                text = _inline(node.children[0])
                yield f".SS {text}" if node.tag == "h3" else f".SH {_as_section(text)}"
            case "paragraph":
                yield from [] if is_first else [".PP"]
                yield from _wrapped(_inline(node.children[0]))
            case "fence" | "code_block":
                yield from [".PP", ".RS 4", ".nf"]
                yield from (_guarded(line.translate(_CODE_ESCAPES)) for line in node.content.splitlines())
                yield from [".fi", ".RE"]
            case "bullet_list" | "ordered_list":
                for number, item in enumerate(node.children, 1):
                    mark = r"\(bu 2" if node.type == "bullet_list" else f"{number}. 3"
                    yield f".IP {mark}"
                    yield from _blocks(item.children)
            case "table":
                yield from _table(node)
            case "html_block":
                continue
            case _:
                raise ValueError(f"no way to write {node.type} in a man page")
        is_first = node.type == "heading"


def _as_section(heading: str) -> str:
    return (
        heading if heading.startswith("[") else heading.upper()
    )  # a table of the configuration keeps its name


def _table(node: SyntaxTreeNode) -> Iterator[str]:
    """Yield a list of what the first column names. A second of three columns is said last, with its heading; where there
    are more, each is on a line with its own."""
    head, body = node.children
    columns = [_inline(cell.children[0]) for cell in head.children[0].children]
    for row in body.children:
        term, *cells = [_inline(cell.children[0]) for cell in row.children]
        yield from [".TP", _guarded(term)]
        named = [
            f"{name[:1].upper()}{name[1:]}: {cell}."
            for name, cell in zip(columns[1:], cells, strict=True)
            if cell
        ]
        if len(columns) > 3:
            yield from "\n.br\n".join(named).splitlines()
        else:
            yield from _wrapped(" ".join([cells[-1], *named[:-1]]) or r"\&")


def _inline(node: SyntaxTreeNode) -> str:
    parts: dict[str, Callable[[SyntaxTreeNode], str]] = {
        "inline": _inside, "link": _inside, "image": lambda node: "", "softbreak": lambda node: " ",
        "hardbreak": lambda node: " ", "html_inline": lambda node: "",
        "text": lambda node: _text(node.content),
        "code_inline": lambda node: _bold(node.content.translate(_CODE_ESCAPES)),
        "strong": lambda node: _bold(_inside(node)),
        "em": lambda node: rf"\fI{_inside(node)}\fR",
    }  # fmt: skip
    return parts[node.type](node)


def _inside(node: SyntaxTreeNode) -> str:
    return "".join(map(_inline, node.children))


def _text(text: str) -> str:
    return text.translate(_ESCAPES)


def _bold(text: str) -> str:
    return rf"\fB{text}\fR"


def _wrapped(text: str) -> list[str]:
    """Break a paragraph into lines, none of which is taken for a macro."""
    lines = textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)
    return [_guarded(line) for line in lines]


def _guarded(line: str) -> str:
    return rf"\&{line}" if line.startswith((".", "'")) else line
